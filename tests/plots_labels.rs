//! Everything interactive in the plots has a name that tests and screen readers find it by.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use ndarray::Array2;
use sextans::plots::color_bar::ColorBar;
use sextans::plots::color_table::Display;
use sextans::plots::fonts;
use sextans::plots::image_camera::Camera;
use sextans::plots::image_overlay::Overlays;
use sextans::plots::image_view::{ImageSource, ImageView};
use sextans::plots::limits::{Limits, LimitsMode};
use sextans::plots::line_plot::{LinePlot, Series};

#[test]
fn widgets_are_found_by_name_and_limits_can_be_dragged() {
    let source = ImageSource::new("convergence", Array2::from_elem((20, 30), 1.0f32));
    let mut view = ImageView::default();
    let mut camera = Camera::default();
    let curve = [[0.0, 1.0], [1.0, 2.0], [2.0, 1.5]];
    let display = Display { limits: LimitsMode::Typed, typed_limits: [0.0, 10.0], ..Display::default() };
    let mut harness = Harness::builder().with_size([700.0, 300.0]).build_ui_state(
        |ui, display: &mut Display| {
            fonts::install(ui.ctx());
            ui.columns(3, |columns| {
                let overlays = Overlays::default();
                view.show(&mut columns[0], "image", &source, display, &mut camera, &overlays);
                let [low, high] = display.typed_limits;
                ColorBar::new(display, Limits::new(low, high))
                    .label("convergence", "")
                    .height(200.0)
                    .draggable(true)
                    .show(&mut columns[1], "bar");
                LinePlot::new("profile")
                    .series(Series::new("data", &curve))
                    .series(Series::new("model", &curve))
                    .show(&mut columns[2], "plot");
            });
        },
        display,
    );
    harness.run_steps(4);
    harness.get_by_label("convergence: image of 30 × 20 pixels");
    harness.get_by_label("profile: plot");
    harness.get_by_label("Colour bar of convergence from 0 to 10");
    let grip = harness.get_by_label_contains("Upper limit of the colours").rect().center();
    harness.drag_at(grip);
    harness.run_steps(2);
    harness.hover_at(grip + egui::vec2(0.0, 40.0));
    harness.run_steps(2);
    harness.drop_at(grip + egui::vec2(0.0, 40.0));
    harness.run_steps(2);
    let [low, high] = harness.state().typed_limits;
    assert_eq!(low, 0.0);
    assert!((7.0..8.6).contains(&high), "{high}");
}
