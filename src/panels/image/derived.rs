//! An image that is made from a cube: asked for by its recipe, put into the store as far as it has come, kept as FITS.

use std::path::Path;
use std::sync::Arc;

use egui::{ComboBox, DragValue, RichText, Ui};
use ndarray::Array2;

use super::super::PanelContext;
use super::super::derived::{CollapseRecipe, Derived};
use super::super::links::CubePixels;
use super::super::product::{Product, file_stem};
use super::super::world::{World, ask_world};
use super::derived_make::{collapse_cube, cut_cube};
use crate::data::{DataId, Keyword, Plane, write_planes};
use crate::numerics::cut::Cut;
use crate::numerics::moments::Collapse;
use crate::workers::{Answer, Weigh};

/// Questions of a view about its recipe.
pub(super) const SLOTS: [&str; 2] = ["derived", "derived world"];

/// What a recipe gives.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// `[y, x]`; NaN where there is nothing, or nothing yet.
    pub values: Array2<f32>,
    /// Standard errors, where they are known.
    pub errors: Option<Array2<f32>>,
    /// FITS unit.
    pub unit: String,
    /// World coordinates.
    pub keywords: Vec<Keyword>,
}

impl Weigh for Made {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.values.len() * 8 + self.keywords.len() * 128
    }
}

/// The derived image of one view.
#[derive(Default)]
pub(super) struct DerivedImage {
    made: Option<Arc<Made>>,
    world: Option<Arc<World>>,
    pub(super) problem: Option<String>,
    pub(super) waiting: bool,
    /// 0 to 1 while it is being made.
    pub(super) fraction: f64,
}

impl DerivedImage {
    /// Asks for the image and keeps `result`, its number in the store, up to date.
    pub(super) fn logic(&mut self, cx: &mut PanelContext<'_>, recipe: &mut Derived, result: &mut Option<DataId>) {
        follow(cx, recipe);
        self.problem = None;
        self.waiting = true;
        let answer = ask_world(cx, SLOTS[1], recipe.of());
        if let Answer::Failed(problem) = &answer {
            self.problem = Some(problem.to_string());
            self.waiting = false;
        }
        let Some(world) = answer.ready().cloned() else { return };
        self.world = Some(world.clone());
        let (store, wanted) = (cx.services.store.clone(), recipe.clone());
        // Every digit of the recipe stands in its debug form.
        let key = recipe.of().key(&store).and(&format!("{recipe:?}")).and(&world.serial);
        let answer =
            cx.services.queries.ask(cx.slot(SLOTS[0]), key, &cx.services.wake, move |progress| match &wanted {
                Derived::Collapse(recipe) => collapse_cube(&store, &world, recipe, progress),
                Derived::Cut(recipe) => cut_cube(&store, &world, recipe, progress),
            });
        match &answer {
            Answer::Ready(_) => self.waiting = false,
            Answer::Pending { fraction, .. } => self.fraction = *fraction,
            Answer::Failed(problem) => {
                self.problem = Some(problem.to_string());
                self.waiting = false;
            }
        }
        // The image of the recipe before stays until this one has begun.
        if let Some(made) = answer.current()
            && !self.made.as_ref().is_some_and(|old| Arc::ptr_eq(old, made))
        {
            self.put(cx, &recipe.title(), made, result);
        }
    }

    /// Puts what was made into the store.
    fn put(&mut self, cx: &PanelContext<'_>, title: &str, made: &Arc<Made>, result: &mut Option<DataId>) {
        let store = &cx.services.store;
        let alike = self.made.as_ref().is_some_and(|old| old.unit == made.unit && old.keywords == made.keywords);
        let pixels = made.values.clone().into_dyn();
        let kept = result.filter(|_| alike).is_some_and(|id| store.update(id, pixels.clone()).is_ok());
        if !kept {
            match store.insert_with(title, pixels, &made.unit, &made.keywords) {
                Ok(id) => {
                    if let Some(old) = result.replace(id) {
                        store.remove(old);
                    }
                }
                Err(problem) => self.problem = Some(problem.to_string()),
            }
        }
        self.made = Some(made.clone());
    }

    /// Where its pixels lie in the cube.
    pub(super) fn cube(&self, recipe: &Derived) -> CubePixels {
        let cut = match recipe {
            Derived::Collapse(_) => None,
            Derived::Cut(cut) => Cut::new(cut.ends, cut.width).map(|found| (cut.ends, found.step)),
        };
        CubePixels { of: recipe.of().clone(), cut }
    }

    /// The image with its errors as FITS.
    pub(super) fn products(&self, recipe: &Derived) -> Vec<Product> {
        let Some(made) = self.made.clone() else { return Vec::new() };
        let (title, history) = (recipe.title(), history(recipe));
        let errors = if made.errors.is_some() { " with its errors" } else { "" };
        let file_name = format!("{}.fits", file_stem(&title));
        vec![Product::new(format!("The image{errors} as FITS"), file_name, move |out: &Path| {
            let named = |name, pixels| Plane { name, pixels, unit: &made.unit, keywords: made.keywords.clone() };
            let mut planes = vec![named("DATA", made.values.view().into_dyn())];
            planes.extend(made.errors.as_ref().map(|errors| named("ERR", errors.view().into_dyn())));
            Ok(write_planes(out, &planes, &history)?)
        })]
    }

    /// Settings of the recipe.
    pub(super) fn inspector_ui(&self, ui: &mut Ui, recipe: &mut Derived) {
        ui.label(RichText::new("Made from").strong());
        ui.add(egui::Label::new(recipe.of().name()).wrap());
        match recipe {
            Derived::Collapse(recipe) => self.collapse_ui(ui, recipe),
            Derived::Cut(recipe) => {
                let label = ui.label("Width of the cut");
                let field = DragValue::new(&mut recipe.width).range(1.0..=1000.0).speed(0.1).suffix(" px");
                ui.add(field).labelled_by(label.id);
                ui.checkbox(&mut recipe.follow, "Follow the line on the cube");
            }
        }
        ui.separator();
    }

    fn collapse_ui(&self, ui: &mut Ui, recipe: &mut CollapseRecipe) {
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Shows");
            ComboBox::from_id_salt("collapse")
                .selected_text(recipe.what.name())
                .show_ui(ui, |ui| {
                    for what in Collapse::ALL {
                        ui.selectable_value(&mut recipe.what, what, what.name());
                    }
                })
                .response
                .labelled_by(label.id);
        });
        if matches!(recipe.what, Collapse::Centroid | Collapse::Width) {
            ui.horizontal_wrapped(|ui| {
                let label = ui.label("Where moment 0 is above");
                let field = DragValue::new(&mut recipe.cut).range(0.0..=1000.0).speed(0.05).suffix(" σ");
                ui.add(field).labelled_by(label.id);
            });
        }
        let text = |[first, last]: [usize; 2]| {
            let slice = self.world.as_ref().and_then(|w| w.slices.get(w.channel_axis()?));
            let values = slice.map(|s| format!(", {} to {}", s.value_text(first), s.value_text(last)));
            format!("channels {} to {}{}", first + 1, last + 1, values.unwrap_or_default())
        };
        ui.add(egui::Label::new(text(recipe.line)).wrap());
        match recipe.sides {
            Some(sides) => {
                for side in sides.into_iter().flatten() {
                    ui.add(egui::Label::new(format!("continuum {}", text(side))).wrap());
                }
            }
            None => {
                ui.weak("without continuum subtraction");
            }
        }
        ui.checkbox(&mut recipe.follow, "Follow the range in the spectrum");
    }
}

/// Takes over what is marked in a spectrum, or drawn on the cube, where the recipe follows it.
fn follow(cx: &PanelContext<'_>, recipe: &mut Derived) {
    match recipe {
        Derived::Collapse(recipe) if recipe.follow => {
            if let Some(note) = cx.links.ranges.values().find(|note| note.of == recipe.of) {
                (recipe.line, recipe.sides) = (note.line, note.sides);
            }
        }
        Derived::Cut(recipe) if recipe.follow => {
            if let Some((_, ends)) = cx.links.lines.values().find(|(of, _)| *of == recipe.of) {
                recipe.ends = *ends;
            }
        }
        Derived::Collapse(_) | Derived::Cut(_) => {}
    }
}

/// How it was made, for the header.
fn history(recipe: &Derived) -> Vec<String> {
    let of = recipe.of();
    let mut lines = vec![format!("Sextans: {} HDU {}", of.path.display(), of.hdu)];
    match recipe {
        Derived::Collapse(recipe) => {
            let channels = |[a, b]: [usize; 2]| format!("channels {} to {}", a + 1, b + 1);
            lines.push(format!("Sextans: {} of {}", recipe.what.name(), channels(recipe.line)));
            for side in recipe.sides.iter().flatten().flatten() {
                lines.push(format!("Sextans: straight continuum from {}", channels(*side)));
            }
            if matches!(recipe.what, Collapse::Centroid | Collapse::Width) {
                lines.push(format!("Sextans: where moment 0 is at least {} times its error", recipe.cut));
            }
        }
        Derived::Cut(recipe) => {
            let [a, b] = recipe.ends.map(|p| p.map(|v| v + 1.0));
            lines.push(format!("Sextans: cut from pixel x {:.3} y {:.3} to x {:.3} y {:.3}", a[0], a[1], b[0], b[1]));
            lines.push(format!("Sextans: mean of {} pixels across", recipe.width));
        }
    }
    lines
}
