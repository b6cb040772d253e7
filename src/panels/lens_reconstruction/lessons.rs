//! A lesson: the network at home, and four ways out of what it was trained on. The classical fit beside it keeps its footing, or fails in its own way.

use egui::{RichText, Ui};
use serde::{Deserialize, Serialize};

use crate::studies::lens_reconstruction::{FitRequest, Method, SimulateRequest};

/// One situation of the lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lesson {
    /// As in the training.
    AtHome,
    /// More noise than it has seen.
    Noise,
    /// A PSF wider than any it has seen.
    Psf,
    /// Its image cut by a mask.
    Cut,
    /// A source full of clumps: home for the network, not for the parametric fit.
    Clumps,
}

impl Lesson {
    const ALL: [Self; 5] = [Self::AtHome, Self::Noise, Self::Psf, Self::Cut, Self::Clumps];

    fn name(self) -> &'static str {
        match self {
            Self::AtHome => "At home",
            Self::Noise => "Too much noise",
            Self::Psf => "Too wide a PSF",
            Self::Cut => "Half of the ring",
            Self::Clumps => "A clumpy source",
        }
    }

    /// What to look at once it has run.
    fn words(self) -> &'static str {
        match self {
            Self::AtHome => {
                "A lens like those of the training. Run it, and play the steps in Compare: the first is a guess from the image alone, the others \
                 follow the gradient of the likelihood. Compare the network's convergence with the truth and with the parametric fit."
            }
            Self::Noise => {
                "Noise far beyond the training. The run says so before anything else. What the network draws now is what it believes of lenses in \
                 general: smooth, centred, likely, and hardly informed by the image. A small χ² proves nothing here."
            }
            Self::Psf => {
                "A PSF wider than any of the training. The likelihood knows it, the network's habits do not: watch χ² fall less from step to step."
            }
            Self::Cut => {
                "Half of the ring is masked. The network has never seen a masked pixel and takes them for dark sky; fine-tuning, which looks at the \
                 unmasked pixels only, may mend some of it. The parametric fit is not troubled: it has few parameters."
            }
            Self::Clumps => {
                "A source full of clumps. The parametric fit has one Sersic component and must leave a residual; the network has pixels. Now the \
                 classical method is the one out of its domain."
            }
        }
    }

    fn set(self, simulate: &mut SimulateRequest, fit: &mut FitRequest) {
        *simulate = SimulateRequest { pixels: 100, ..SimulateRequest::default() };
        // Without the light of the lens: as the network was trained.
        simulate.lens_light.brightness = 0.0;
        simulate.noise_sigma = 0.02;
        *fit = FitRequest {
            method: Method::Rim,
            lens_light_components: 0,
            finetune_steps: 30,
            refine_steps: 0,
            ..FitRequest::default()
        };
        match self {
            Self::AtHome => {}
            Self::Noise => simulate.noise_sigma = 0.4,
            Self::Psf => simulate.psf_fwhm_arcsec = 0.6,
            Self::Cut => {
                (fit.mask_outer_radius_arcsec, fit.mask_x_arcsec) = (Some(2.0), 2.0);
            }
            Self::Clumps => simulate.clumps.number = 8,
        }
    }
}

/// The lesson's buttons; sets both requests when one is taken.
pub(super) fn lessons_ui(
    ui: &mut Ui,
    chosen: &mut Option<Lesson>,
    simulate: &mut SimulateRequest,
    fit: &mut FitRequest,
) {
    egui::CollapsingHeader::new("Lesson: break the network")
        .id_salt("lens lesson")
        .default_open(chosen.is_some())
        .show(ui, |ui| {
            ui.horizontal_wrapped(|ui| {
                for lesson in Lesson::ALL {
                    if ui.selectable_label(*chosen == Some(lesson), lesson.name()).clicked() {
                        *chosen = Some(lesson);
                        lesson.set(simulate, fit);
                    }
                }
            });
            let words = chosen
                .map_or("Choose one: it sets the sliders and the method. Then go to step 2 and run.", Lesson::words);
            ui.add(egui::Label::new(RichText::new(words).small()).wrap());
        });
    ui.separator();
}
