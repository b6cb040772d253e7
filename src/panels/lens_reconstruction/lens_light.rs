//! The user's image less the light of the lens galaxy, before any fit: a query that fits the light alone.

use std::sync::Arc;
use std::time::Instant;

use ndarray::Array2;

use super::LensReconstruction;
use super::data_step::FilePreview;
use super::desk::Layer;
use crate::panels::PanelContext;
use crate::studies::lens_reconstruction::FitRequest;
use crate::studies::lens_reconstruction::classical::{FitSettings, fit_lens_light};
use crate::tasks::{Progress, TaskError};
use crate::workers::{Answer, Key, Weigh};

/// Name of the question.
pub(super) const LENS_LIGHT: &str = "lens light";

/// The image less a model of the lens light.
pub(super) struct LightPreview {
    pub(super) arcs: Arc<Array2<f32>>,
    /// Sersic components of the model.
    components: usize,
    /// Time that the fit took.
    seconds: f64,
}

impl Weigh for LightPreview {
    fn bytes(&self) -> usize {
        4 * self.arcs.len()
    }
}

impl LightPreview {
    /// What was done, for the line over the map.
    pub(super) fn text(&self) -> String {
        let plural = if self.components == 1 { "component" } else { "components" };
        format!("{} Sersic {plural} fitted in {:.1} s", self.components, self.seconds)
    }

    fn of(files: &FilePreview, request: &FitRequest, progress: &Progress<Self>) -> Result<Self, TaskError> {
        let start = Instant::now();
        let settings = FitSettings {
            lens_light_components: request.lens_light_components,
            fit_sky: request.fit_sky,
            lens_centre: request.lens_centre(),
            ..FitSettings::default()
        };
        let observation = &files.loaded.observation;
        let light = fit_lens_light(observation, &settings, &mut || progress.check().is_ok())?;
        Ok(Self {
            arcs: Arc::new((&observation.data - &light.image).mapv(|v| v as f32)),
            components: light.components.len(),
            seconds: start.elapsed().as_secs_f64(),
        })
    }
}

impl LensReconstruction {
    /// Asks for the image without the lens light, while it is looked at.
    pub(super) fn ask_lens_light(&mut self, cx: &mut PanelContext<'_>) {
        let Some(files) = self.preview.files.clone().filter(|_| self.saved.layer == Layer::LightSubtracted) else {
            return;
        };
        let request = self.saved.fit.clone();
        // Of what was read, which may be older than what is set.
        let settings = (&files.request, request.lens_light_components, request.fit_sky, request.lens_centre());
        let key = Key::of(&serde_json::to_string(&settings).unwrap_or_default()).and(&self.reloads);
        let answer = cx.services.queries.ask(cx.slot(LENS_LIGHT), key, &cx.services.wake, move |progress| {
            LightPreview::of(&files, &request, progress)
        });
        match &answer {
            Answer::Failed(message) => self.problem = Some(message.to_string()),
            Answer::Pending { .. } => self.preview.wait(),
            Answer::Ready(_) => {}
        }
        self.preview.light = answer.newest().cloned();
    }
}
