//! From the desk to files that a fit can read, and back: image positions and the drawn mask. All of it by queries.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;

use super::LensReconstruction;
use crate::panels::{PanelContext, Product};
use crate::runs::Library;
use crate::studies::lens_reconstruction::mask_edit::{MaskDrawing, write_mask};
use crate::studies::lens_reconstruction::positions::{read_positions, write_positions};
use crate::studies::lens_reconstruction::{FitRequest, MaskMeaning};
use crate::tasks::TaskError;
use crate::workers::{Answer, Key, Weigh};

/// Names of the desk's questions.
pub(super) const POSITIONS: &str = "positions";
pub(super) const MASK: &str = "mask";

/// A mask that has been drawn and written.
pub(super) struct MaskFile {
    pub(super) path: PathBuf,
    /// True = not fitted.
    pub(super) left_out: Arc<Array2<bool>>,
    /// There was no such file before.
    made: bool,
}

impl Weigh for MaskFile {
    fn bytes(&self) -> usize {
        self.left_out.len()
    }
}

/// Positions read or written.
struct PositionsFile {
    path: PathBuf,
    images: Vec<[f64; 2]>,
}

impl Weigh for PositionsFile {
    fn bytes(&self) -> usize {
        16 * self.images.len()
    }
}

/// Where files of the desk lie: beside the runs.
fn desk_folder(library: &Library) -> PathBuf {
    library.folder().join("desk")
}

/// A file of the desk, named by what is in it, so that a step back finds the older one.
fn desk_file(library: &Library, what: &str, content: &str, ending: &str) -> PathBuf {
    let sum = content.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    desk_folder(library).join(format!("{what}-{sum:016x}.{ending}"))
}

impl LensReconstruction {
    /// Reads positions that were chosen, and writes what was marked and drawn.
    pub(super) fn ask_desk(&mut self, cx: &mut PanelContext<'_>) {
        if self.saved.fit.image.is_none() {
            return;
        }
        self.ask_positions(cx);
        self.ask_mask(cx);
    }

    fn ask_positions(&mut self, cx: &mut PanelContext<'_>) {
        let (fit, desk) = (&self.saved.fit, &mut self.saved.desk);
        // What was marked is to be written; a file of ours that a session names may be gone, and is written again.
        let lost = desk.images_file.as_ref().is_some_and(|file| {
            file.starts_with(desk_folder(&cx.services.library)) && self.preview.positions_there.as_ref() != Some(file)
        });
        let marked =
            !desk.images.is_empty() && (desk.images_file.is_none() || (lost && desk.images_file == fit.positions));
        if !marked && desk.images_file == fit.positions {
            return;
        }
        let answer = if marked {
            let images = desk.images.clone();
            let content = format!("{images:?}");
            let path = desk_file(&cx.services.library, "positions", &content, "json");
            cx.services.queries.ask(cx.slot(POSITIONS), Key::of(&(&path, "write")), &cx.services.wake, move |_| {
                make_folder(&path)?;
                write_positions(&path, &images)?;
                Ok(PositionsFile { path, images })
            })
        } else if let Some(path) = fit.positions.clone() {
            let key = Key::of(&(&path, "read")).and(&self.reloads);
            cx.services.queries.ask(cx.slot(POSITIONS), key, &cx.services.wake, move |_| {
                let images = read_positions(&path)?;
                Ok(PositionsFile { path, images })
            })
        } else {
            // The file was taken out of the request, and its places with it.
            desk.images.clear();
            desk.images_file = None;
            return;
        };
        match answer {
            Answer::Ready(file) => {
                desk.images.clone_from(&file.images);
                desk.images_file = Some(file.path.clone());
                self.saved.fit.positions = Some(file.path.clone());
                self.preview.positions_there = Some(file.path.clone());
            }
            Answer::Failed(message) => self.problem = Some(message.to_string()),
            Answer::Pending { .. } => self.preview.wait(),
        }
    }

    fn ask_mask(&mut self, cx: &mut PanelContext<'_>) {
        let desk = &mut self.saved.desk;
        if desk.mask.is_empty() {
            desk.mask_file = None;
            self.preview.drawn = None;
            return;
        }
        if desk.mask_file.is_some() && desk.mask_file != self.saved.fit.mask {
            // Another mask was chosen: the drawing was for the old one.
            desk.mask = MaskDrawing::default();
            return;
        }
        if desk.mask_file.is_some() && self.preview.drawn.as_ref().map(|d| &d.path) == desk.mask_file.as_ref() {
            self.saved.fit.mask_marks = MaskMeaning::Kept;
            return;
        }
        let request = self.saved.fit.clone();
        let drawing = desk.mask.clone();
        let content = format!("{:?} {:?} {drawing:?}", request.image, request.pixel_scale_arcsec);
        let path = desk_file(&cx.services.library, "mask", &content, "fits");
        let key = Key::of(&path).and(&self.reloads);
        let answer = cx
            .services
            .queries
            .ask(cx.slot(MASK), key, &cx.services.wake, move |_| mask_file(&request, &drawing, path));
        match answer {
            Answer::Ready(file) => {
                self.tools.mask_is_there();
                let fit = &mut self.saved.fit;
                fit.mask_marks = MaskMeaning::Kept;
                fit.mask = Some(file.path.clone());
                if file.made && desk.mask_file.as_ref() == Some(&file.path) && self.preview.files.is_none() {
                    // A session named it and it was gone: the files could not be read without it.
                    self.reloads += 1;
                }
                desk.mask_file = Some(file.path.clone());
                self.preview.drawn = Some(file);
            }
            Answer::Failed(message) => self.problem = Some(message.to_string()),
            Answer::Pending { .. } => self.preview.wait(),
        }
    }

    /// What was marked and drawn, as files to keep.
    pub(super) fn desk_products(&self) -> Vec<Product> {
        let mut products = Vec::new();
        let (fit, desk) = (self.saved.fit.clone(), &self.saved.desk);
        if !desk.images.is_empty() {
            let images = desk.images.clone();
            products.push(Product::new("Image positions as JSON", "positions.json", move |path| {
                write_positions(path, &images)
            }));
        }
        if !desk.mask.is_empty() {
            let drawing = desk.mask.clone();
            products.push(Product::new("Drawn mask as FITS", "mask.fits", move |path| {
                write_mask(&fit, &drawing, path).map(|_| ())
            }));
        }
        products
    }
}

/// Writes the mask of a drawing; one that is there already is the same.
fn mask_file(request: &FitRequest, drawing: &MaskDrawing, path: PathBuf) -> Result<MaskFile, TaskError> {
    make_folder(&path)?;
    let made = !path.is_file();
    let mask = write_mask(request, drawing, &path)?;
    Ok(MaskFile { path, left_out: Arc::new(mask.mapv(|m| !m)), made })
}

fn make_folder(file: &Path) -> Result<(), TaskError> {
    let Some(folder) = file.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|e| TaskError::file(folder, format!("cannot be made ({e})")))
}
