//! Coloured tiles of an image on the graphics card: only what is seen, at the level that fits, a few a frame.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{
    Color32, ColorImage, Context, Mesh, Painter, Rect, Shape, TextureFilter, TextureHandle, TextureOptions, pos2,
};
use ndarray::{Array2, s};

use super::color_table::ColorTable;
use super::image_camera::Camera;
use super::image_pyramid::Pyramid;

/// Side of a tile in pixels of its level. Every graphics card takes textures of this size.
pub const TILE_SIDE: usize = 1024;

/// Tiles coloured and sent to the graphics card in one frame, at most.
pub const UPLOADS_PER_FRAME: usize = 8;

/// A frame colours tiles for so long at most (one tile takes about 1.5 ms); the others come in the next frames.
const COLOURING_BUDGET: Duration = Duration::from_millis(6);

/// Tiles kept, seen or not: 64 of them are 256 MiB.
const TILES_KEPT: usize = 64;

/// Crisp pixels when magnified, mixed neighbours when a level is shown smaller than it is.
const FILTERS: TextureOptions = TextureOptions {
    magnification: TextureFilter::Nearest,
    minification: TextureFilter::Linear,
    ..TextureOptions::NEAREST
};

/// Place of a tile: level, and column and row of tiles within it.
type Place = (usize, usize, usize);

struct Tile {
    texture: TextureHandle,
    /// Revision of the image, key of the colour table, and whether the level was still being made.
    content: (u64, u64, bool),
    last_used: u64,
}

/// One image as tiles.
#[derive(Default)]
pub struct TileLayer {
    pyramid: Option<(u64, Pyramid)>,
    tiles: HashMap<Place, Tile>,
    frame: u64,
    uploads: u64,
    unfinished: bool,
}

impl TileLayer {
    /// True when the last drawing was a coarser or older picture than it is to be: tiles or reduced levels are to come.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// How many tiles have been coloured and uploaded since the layer was made.
    #[must_use]
    pub fn uploads(&self) -> u64 {
        self.uploads
    }

    /// How many tiles are held.
    #[must_use]
    pub fn tile_count(&self) -> usize {
        self.tiles.len()
    }

    /// Draws the visible part of an image; `budget` is the number of tiles that may still be uploaded this frame.
    /// What could not be uploaded is shown as it was or coarser, and another frame is requested.
    pub fn draw(
        &mut self,
        painter: &Painter,
        view: Rect,
        camera: &Camera,
        image: &Arc<Array2<f32>>,
        revision: u64,
        table: &ColorTable,
        budget: &mut usize,
    ) {
        self.frame += 1;
        self.unfinished = false;
        if image.is_empty() {
            return;
        }
        let pyramid = self.take_pyramid(image, revision, painter.ctx());
        let scene = Scene { view, camera: *camera, dim: image.dim() };
        let level = fitting_level(camera, painter.pixels_per_point(), pyramid.level_count());
        let places = scene.visible_tiles(level);
        let content = (revision, table.key(), pyramid.level(level).is_none());
        let mut stale: Vec<Place> = places
            .iter()
            .copied()
            .filter(|place| self.tiles.get(place).is_none_or(|tile| tile.content != content))
            .collect();
        let mut missing = stale.len() > *budget;
        stale.truncate(*budget);
        // On this thread: the pool belongs to jobs, and a frame must not wait for them.
        let started = Instant::now();
        for place in stale {
            let picture = color_tile(&pyramid, place, table);
            self.upload(painter.ctx(), place, content, picture);
            *budget -= 1;
            if started.elapsed() > COLOURING_BUDGET {
                missing = true;
                break;
            }
        }
        let mut shapes = Vec::with_capacity(places.len());
        for place in places {
            shapes.extend(self.shape(&scene, place, pyramid.level_count()));
        }
        painter.extend(shapes);
        self.unfinished = missing || pyramid.level(level).is_none();
        if missing {
            painter.ctx().request_repaint();
        }
        self.pyramid = Some((revision, pyramid));
        self.forget_unused();
    }

    /// The pyramid of this revision: the one at hand or a new one. Tiles of an image of another size go.
    fn take_pyramid(&mut self, image: &Arc<Array2<f32>>, revision: u64, ctx: &Context) -> Pyramid {
        match self.pyramid.take() {
            Some((known, pyramid)) if known == revision && pyramid.base().dim() == image.dim() => pyramid,
            old => {
                if old.is_some_and(|(_, pyramid)| pyramid.base().dim() != image.dim()) {
                    self.tiles.clear();
                }
                let ctx = ctx.clone();
                Pyramid::new(Arc::clone(image), move || ctx.request_repaint())
            }
        }
    }

    fn upload(&mut self, ctx: &Context, place: Place, content: (u64, u64, bool), picture: ColorImage) {
        self.uploads += 1;
        let (level, column, row) = place;
        match self.tiles.get_mut(&place) {
            Some(tile) => {
                tile.texture.set(picture, FILTERS);
                tile.content = content;
            }
            None => {
                let name = format!("image tile {level}/{column}/{row}");
                let tile = Tile { texture: ctx.load_texture(name, picture, FILTERS), content, last_used: self.frame };
                self.tiles.insert(place, tile);
            }
        }
    }

    /// The quad of a tile, or that part of the nearest coarser tile at hand which stands in for it.
    fn shape(&mut self, scene: &Scene, place: Place, level_count: usize) -> Option<Shape> {
        let (level, column, row) = place;
        let covered = scene.tile_pixels(place);
        for up in 0..level_count.saturating_sub(level) {
            let substitute = (level + up, column >> up, row >> up);
            if let Some(tile) = self.tiles.get_mut(&substitute) {
                tile.last_used = self.frame;
                return scene.quad(substitute, covered, &tile.texture);
            }
        }
        None
    }

    /// Lets the tiles go that were not seen for the longest time, when there are too many.
    fn forget_unused(&mut self) {
        if self.tiles.len() <= TILES_KEPT {
            return;
        }
        let mut ages: Vec<(u64, Place)> = self.tiles.iter().map(|(place, t)| (t.last_used, *place)).collect();
        ages.sort_unstable();
        for (last_used, place) in &ages[..ages.len() - TILES_KEPT] {
            if *last_used < self.frame {
                self.tiles.remove(place);
            }
        }
    }
}

/// The finest level whose pixels are not smaller than half a pixel of the screen.
fn fitting_level(camera: &Camera, pixels_per_point: f32, level_count: usize) -> usize {
    let points = camera.points_per_pixel.max(camera.points_up());
    let image_pixels_per_screen_pixel = 1.0 / (points * f64::from(pixels_per_point));
    let level = image_pixels_per_screen_pixel.max(1.0).log2().floor() as usize;
    level.min(level_count - 1)
}

/// Colours one tile; the first row of the picture is the highest row of the image.
fn color_tile(pyramid: &Pyramid, (level, column, row): Place, table: &ColorTable) -> ColorImage {
    let (level_height, level_width) = pyramid.level_dim(level);
    let (x, y) = (column * TILE_SIDE, row * TILE_SIDE);
    let width = TILE_SIDE.min(level_width - x);
    let height = TILE_SIDE.min(level_height - y);
    let mut pixels: Vec<Color32> = Vec::with_capacity(width * height);
    match pyramid.level(level) {
        Some(values) => {
            let part = values.slice(s![y..y + height, x..x + width]);
            for line in part.rows().into_iter().rev() {
                match line.as_slice() {
                    Some(values) => table.fill_slice(values, &mut pixels),
                    None => table.fill(line.iter().copied(), &mut pixels),
                }
            }
        }
        // Not reduced yet: every n-th pixel of the image stands in.
        None => {
            let base = pyramid.base();
            for line in (y..y + height).rev() {
                let line = base.row(line << level);
                table.fill((x..x + width).map(|x| line[x << level]), &mut pixels);
            }
        }
    }
    ColorImage::new([width, height], pixels)
}

/// The view onto an image of `dim` rows and columns.
struct Scene {
    view: Rect,
    camera: Camera,
    dim: (usize, usize),
}

/// Whole pixels of the image `[from, to)`.
#[derive(Clone, Copy)]
struct PixelBox {
    x: [usize; 2],
    y: [usize; 2],
}

impl Scene {
    /// Tiles of a level that lie in the view, the middle ones first.
    fn visible_tiles(&self, level: usize) -> Vec<Place> {
        let Some(visible) = self.visible_pixels() else {
            return Vec::new();
        };
        let side = TILE_SIDE << level;
        let tiles = |[from, to]: [usize; 2]| from / side..to.div_ceil(side);
        let mut places: Vec<Place> =
            tiles(visible.y).flat_map(|row| tiles(visible.x).map(move |column| (level, column, row))).collect();
        let middle = |tile: usize, center: f64| ((tile as f64 + 0.5) * side as f64 - center).abs();
        let [center_x, center_y] = self.camera.center;
        places.sort_by(|a, b| {
            let distance = |p: &Place| middle(p.1, center_x) + middle(p.2, center_y);
            distance(a).total_cmp(&distance(b))
        });
        places
    }

    /// The pixels of the image in the view, `None` when it is all outside.
    fn visible_pixels(&self) -> Option<PixelBox> {
        let (height, width) = self.dim;
        let [x0, y0, x1, y1] = self.camera.visible(self.view);
        let range = |low: f64, high: f64, size: usize| {
            let from = (low + 0.5).floor().max(0.0) as usize;
            let to = ((high + 0.5).ceil().max(0.0) as usize).min(size);
            (from < to).then_some([from, to])
        };
        Some(PixelBox { x: range(x0, x1, width)?, y: range(y0, y1, height)? })
    }

    /// The pixels of the image that a tile covers.
    fn tile_pixels(&self, (level, column, row): Place) -> PixelBox {
        let side = TILE_SIDE << level;
        let range = |tile: usize, size: usize| [(tile * side).min(size), ((tile + 1) * side).min(size)];
        PixelBox { x: range(column, self.dim.1), y: range(row, self.dim.0) }
    }

    /// The part of a tile that covers `wanted` and is in the view, as a textured rectangle.
    fn quad(&self, place: Place, wanted: PixelBox, texture: &TextureHandle) -> Option<Shape> {
        let visible = self.visible_pixels()?;
        let level = place.0;
        // Whole texels, so that the corners of the texture are exact at any magnification.
        let cut = |wanted: [usize; 2], visible: [usize; 2], size: usize| {
            let from = wanted[0].max(visible[0] >> level << level);
            let to = wanted[1].min(visible[1].div_ceil(1 << level) << level).min(size);
            (from < to).then_some([from, to])
        };
        let x = cut(wanted.x, visible.x, self.dim.1)?;
        let y = cut(wanted.y, visible.y, self.dim.0)?;
        let corner = |x: usize, y: usize| self.camera.screen_from_pixel(self.view, [x as f64 - 0.5, y as f64 - 0.5]);
        let [width, height] = texture.size().map(|n| n as f64);
        let texels = |pixel: usize, tile: usize| pixel as f64 / (1u64 << level) as f64 - (tile * TILE_SIDE) as f64;
        let u = x.map(|x| (texels(x, place.1) / width) as f32);
        let v = y.map(|y| (1.0 - texels(y, place.2) / height) as f32);
        let mut mesh = Mesh::with_texture(texture.id());
        mesh.add_rect_with_uv(
            Rect::from_min_max(corner(x[0], y[1]), corner(x[1], y[0])),
            Rect::from_min_max(pos2(u[0], v[1]), pos2(u[1], v[0])),
            Color32::WHITE,
        );
        // `corner` of the right top has the smaller y on the screen, so the rectangle is upright already.
        Some(Shape::mesh(mesh))
    }
}

#[cfg(test)]
mod tests {
    use egui::vec2;

    use super::*;

    #[test]
    fn level_fits_the_magnification() {
        let level = |points_per_pixel: f64, pixels_per_point: f32| {
            let camera = Camera { points_per_pixel, ..Camera::default() };
            fitting_level(&camera, pixels_per_point, 6)
        };
        assert_eq!(level(1.0, 1.0), 0);
        assert_eq!(level(8.0, 2.0), 0);
        assert_eq!(level(0.5, 1.0), 1);
        assert_eq!(level(0.5, 2.0), 0);
        assert_eq!(level(0.26, 1.0), 1);
        assert_eq!(level(0.24, 1.0), 2);
        assert_eq!(level(1e-4, 1.0), 5);
    }

    #[test]
    fn only_tiles_in_view_are_listed() {
        let view = Rect::from_min_size(pos2(0.0, 0.0), vec2(500.0, 400.0));
        let mut scene = Scene { view, camera: Camera::default(), dim: (3000, 5000) };
        scene.camera.fit([5000, 3000], view.size());
        assert_eq!(scene.visible_tiles(0).len(), 15);
        assert_eq!(scene.visible_tiles(3).len(), 1);
        scene.camera.points_per_pixel = 1.0;
        scene.camera.center = [1500.0, 500.0];
        assert_eq!(scene.visible_tiles(0), [(0, 1, 0)]);
        scene.camera.center = [1024.0, 1024.0];
        assert_eq!(scene.visible_tiles(0).len(), 4);
        scene.camera.center = [1e7, 0.0];
        assert!(scene.visible_tiles(0).is_empty());
    }

    #[test]
    fn tile_rows_run_downwards() {
        let image = Arc::new(Array2::from_shape_fn((3, 2), |(y, x)| (10 * y + x) as f32));
        let pyramid = Pyramid::new(image, || {});
        let display = super::super::color_table::Display { color_map: "gray".to_owned(), ..Default::default() };
        let limits = super::super::limits::Limits::new(0.0, 25.5);
        let table = ColorTable::new(&display, limits, Color32::TRANSPARENT);
        let tile = color_tile(&pyramid, (0, 0, 0), &table);
        assert_eq!(tile.size, [2, 3]);
        let grays: Vec<u8> = tile.pixels.iter().map(|p| p.r() / 10).collect();
        assert_eq!(grays, [20, 21, 10, 11, 0, 1]);
    }
}
