//! What a line plot keeps from frame to frame: ranges that hold until the user moves the axes, and a line that can be
//! dragged.

use egui::{CursorIcon, Id, PointerButton, Pos2, Ui};
use egui_plot::{PlotResponse, PlotUi};

/// A vertical line is taken hold of within so many points.
const GRIP_POINTS: f32 = 6.0;

/// Ranges that are shown until the user pans or zooms, and again after a double click.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Held {
    /// x, then y; none leaves the axis to what is drawn.
    pub ranges: [Option<[f64; 2]>; 2],
    /// Another number lets go of what the user moved: the axis has another meaning now.
    pub key: u64,
}

impl Held {
    /// Applies the ranges in the frame of a plot.
    pub fn apply(self, plot: &mut PlotUi<'_>) {
        let response = plot.response().clone();
        let id = response.id.with("moved by hand");
        let known = plot.ctx().data(|d| d.get_temp::<(u64, bool)>(id)).filter(|(key, _)| *key == self.key);
        let mut moved = known.is_some_and(|(_, moved)| moved);
        let wheel = response.contains_pointer()
            && plot.ctx().input(|i| i.smooth_scroll_delta.y != 0.0 || i.zoom_delta() != 1.0);
        moved |= wheel || (response.dragged_by(PointerButton::Primary) && response.drag_delta() != egui::Vec2::ZERO);
        if response.double_clicked() {
            moved = false;
        }
        plot.ctx().data_mut(|d| d.insert_temp(id, (self.key, moved)));
        if moved {
            return;
        }
        if let Some([low, high]) = self.ranges[0] {
            plot.set_plot_bounds_x(low..=high);
        }
        if let Some([low, high]) = self.ranges[1] {
            plot.set_plot_bounds_y(low..=high);
        }
    }
}

/// A vertical line that can be dragged, as it was in the last frame.
#[derive(Clone, Copy, Default)]
struct Grip {
    /// Where it was on the screen.
    x: f32,
    y: [f32; 2],
    held: bool,
}

/// The grip of the line of a plot.
#[derive(Clone, Copy)]
pub(super) struct Handle {
    id: Id,
    /// The line is being dragged: the plot must not pan.
    pub held: bool,
    near: bool,
}

impl Handle {
    /// Takes hold of the line, or lets go of it, before the plot is drawn.
    pub fn before(ui: &Ui, id: Id) -> Self {
        let mut grip = ui.data(|d| d.get_temp::<Grip>(id)).unwrap_or_default();
        let near = |p: Pos2| (p.x - grip.x).abs() <= GRIP_POINTS && (grip.y[0]..=grip.y[1]).contains(&p.y);
        let (pressed, down, pointer) =
            ui.input(|i| (i.pointer.primary_pressed(), i.pointer.primary_down(), i.pointer.latest_pos()));
        if pressed {
            grip.held = pointer.is_some_and(near);
        } else if !down {
            grip.held = false;
        }
        ui.data_mut(|d| d.insert_temp(id, grip));
        Self { id, held: grip.held, near: pointer.is_some_and(near) }
    }

    /// Remembers where the line is; the x that it was dragged to in this frame.
    pub fn after<R>(self, ui: &Ui, shown: &PlotResponse<R>, x: f64) -> Option<f64> {
        // Now: the plot has set its own cursor by here.
        if self.held || (self.near && shown.response.hovered()) {
            ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
        }
        let frame = shown.transform.frame();
        let here = shown.transform.position_from_point_x(x);
        ui.data_mut(|d| d.insert_temp(self.id, Grip { x: here, y: [frame.top(), frame.bottom()], held: self.held }));
        let pointer = shown.response.interact_pointer_pos().filter(|_| self.held)?;
        Some(shown.transform.value_from_position(pointer).x)
    }
}
