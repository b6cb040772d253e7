//! The CPU painter: egui's triangles into pixels, with no display, driver or graphics library.
//!
//! It follows what egui's GPU painters do: textures and vertex colours are premultiplied sRGB bytes, multiplied and
//! blended in that space (`out = source + destination * (1 - alpha)`). Positions are rounded to 1/256 pixel and edges
//! follow the top-left rule, so a pixel on an edge shared by two triangles is painted once: egui's soft edges are
//! thin translucent triangles, on which a second coat would show. Paint callbacks are skipped.

use std::collections::HashMap;

use egui::epaint::{ClippedPrimitive, ImageData, ImageDelta, Primitive};
use egui::{Color32, TextureFilter, TextureId, TextureOptions, TextureWrapMode, TexturesDelta};
use rayon::prelude::*;

use super::picture::{Picture, PictureError};
use super::soft_raster::{Band, Mesh, Vertex};

/// Rows of one strip of work.
const BAND_ROWS: usize = 64;

/// Largest side of a texture that is reported to egui.
pub const MAX_TEXTURE_SIDE: usize = 8192;

/// One texture, premultiplied sRGB.
pub(super) struct Texture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) texels: Vec<[u8; 4]>,
    pub(super) options: TextureOptions,
}

impl Texture {
    fn new(delta: &ImageDelta) -> Self {
        let ImageData::Color(image) = &delta.image;
        Self {
            width: image.size[0],
            height: image.size[1],
            texels: image.pixels.iter().map(Color32::to_array).collect(),
            options: delta.options,
        }
    }

    /// Writes a patch; what lies outside of the texture is left out.
    fn patch(&mut self, delta: &ImageDelta, [left, top]: [usize; 2]) {
        let ImageData::Color(image) = &delta.image;
        let columns = image.size[0].min(self.width.saturating_sub(left));
        let rows = image.size[1].min(self.height.saturating_sub(top));
        if columns == 0 {
            return;
        }
        for (y, row) in image.pixels.chunks_exact(image.size[0]).take(rows).enumerate() {
            let start = (top + y) * self.width + left;
            for (texel, color) in self.texels[start..start + columns].iter_mut().zip(row) {
                *texel = color.to_array();
            }
        }
        self.options = delta.options;
    }

    /// The texel of an index that may lie outside.
    #[inline]
    pub(super) fn texel(&self, x: i64, y: i64) -> [u8; 4] {
        let x = wrap(x, self.width, self.options.wrap_mode);
        let y = wrap(y, self.height, self.options.wrap_mode);
        self.texels.get(y * self.width + x).copied().unwrap_or_default()
    }

    /// The filter for a step of so many texels a pixel.
    pub(super) fn filter(&self, texels_per_pixel: f32) -> TextureFilter {
        if texels_per_pixel > 1.0 + 1e-3 { self.options.minification } else { self.options.magnification }
    }
}

#[inline]
pub(super) fn wrap(index: i64, size: usize, mode: TextureWrapMode) -> usize {
    let size = size as i64;
    let inside = match mode {
        TextureWrapMode::ClampToEdge => index.clamp(0, (size - 1).max(0)),
        TextureWrapMode::Repeat => index.rem_euclid(size.max(1)),
        TextureWrapMode::MirroredRepeat => {
            let i = index.rem_euclid((2 * size).max(1));
            i.min(2 * size - 1 - i)
        }
    };
    inside as usize
}

/// Paints what an egui context wants shown. Keeps the textures from frame to frame, so feed it every frame's changes.
#[derive(Default)]
pub struct SoftPainter {
    textures: HashMap<TextureId, Texture>,
    freed: Vec<TextureId>,
}

impl SoftPainter {
    /// A painter without textures.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over the texture changes of one frame and leaves the list empty.
    /// Textures freed in a frame may still be painted in it; they go with the next frame's changes.
    pub fn update_textures(&mut self, delta: &mut TexturesDelta) {
        for id in self.freed.drain(..) {
            self.textures.remove(&id);
        }
        // In any order: each entry concerns one texture.
        #[expect(clippy::iter_over_hash_type)]
        for (id, patches) in delta.set.drain() {
            for patch in patches {
                match (patch.pos, self.textures.get_mut(&id)) {
                    (None, _) => {
                        self.textures.insert(id, Texture::new(&patch));
                    }
                    (Some(position), Some(texture)) => texture.patch(&patch, position),
                    // A patch of a texture that was never set has nothing to lie on.
                    (Some(_), None) => {}
                }
            }
        }
        self.freed.extend(delta.free.drain());
    }

    /// Number of textures held.
    #[must_use]
    pub fn texture_count(&self) -> usize {
        self.textures.len()
    }

    /// Paints triangles (positions in points) onto a picture of `size` pixels that starts as `background`.
    pub fn paint(
        &self,
        size: [u32; 2],
        pixels_per_point: f32,
        primitives: &[ClippedPrimitive],
        background: Color32,
    ) -> Result<Picture, PictureError> {
        let [width, height] = size.map(|n| n as usize);
        if width == 0 || height == 0 {
            return Picture::new(size[0], size[1], Vec::new());
        }
        let meshes: Vec<Mesh<'_>> =
            primitives.iter().filter_map(|p| self.prepare(p, pixels_per_point, width, height)).collect();
        let mut pixels = vec![background.to_array(); width * height];
        pixels.par_chunks_mut(width * BAND_ROWS).enumerate().for_each(|(index, rows)| {
            let mut band = Band::new(rows, width, index * BAND_ROWS);
            for mesh in &meshes {
                band.paint(mesh);
            }
        });
        let straight = pixels.into_iter().flat_map(unpremultiplied).collect();
        Picture::new(size[0], size[1], straight)
    }

    fn prepare<'a>(
        &'a self,
        primitive: &'a ClippedPrimitive,
        pixels_per_point: f32,
        width: usize,
        height: usize,
    ) -> Option<Mesh<'a>> {
        let Primitive::Mesh(mesh) = &primitive.primitive else {
            return None;
        };
        let texture = self.textures.get(&mesh.texture_id)?;
        let clip = primitive.clip_rect * pixels_per_point;
        // As the GPU painters' scissor box: to the nearest whole pixel, inside of the picture. NaN becomes 0.
        let bound = |v: f32, size: usize| (v.round() as i32).clamp(0, size as i32);
        let clip =
            [bound(clip.min.x, width), bound(clip.min.y, height), bound(clip.max.x, width), bound(clip.max.y, height)];
        if clip[0] >= clip[2] || clip[1] >= clip[3] {
            return None;
        }
        let vertices: Vec<Vertex> = mesh.vertices.iter().map(|v| Vertex::new(v, pixels_per_point)).collect();
        Mesh::new(clip, vertices, &mesh.indices, texture)
    }
}

/// Bytes of a PNG: colour not multiplied by alpha.
fn unpremultiplied([r, g, b, a]: [u8; 4]) -> [u8; 4] {
    if a == 255 || a == 0 {
        return [r, g, b, a];
    }
    let alpha = u32::from(a);
    let straight = |v: u8| ((u32::from(v) * 255 + alpha / 2) / alpha).min(255) as u8;
    [straight(r), straight(g), straight(b), a]
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // test colours
mod tests {
    use egui::epaint::{Vertex, WHITE_UV};
    use egui::{ColorImage, Mesh, Pos2, Rect, pos2};

    use super::*;

    const CLEAR: Color32 = Color32::BLACK;

    fn painter_with(id: u64, image: ColorImage, options: TextureOptions) -> SoftPainter {
        let mut painter = SoftPainter::new();
        let mut delta = TexturesDelta::default();
        let white = ColorImage::filled([1, 1], Color32::WHITE);
        delta.push(TextureId::default(), ImageDelta::full(white, TextureOptions::LINEAR));
        delta.push(TextureId::User(id), ImageDelta::full(image, options));
        painter.update_textures(&mut delta);
        painter
    }

    fn painter() -> SoftPainter {
        painter_with(1, ColorImage::filled([1, 1], Color32::WHITE), TextureOptions::LINEAR)
    }

    fn everything() -> Rect {
        Rect::from_min_max(pos2(-1e9, -1e9), pos2(1e9, 1e9))
    }

    fn draw(painter: &SoftPainter, side: u32, mesh: Mesh, clip_rect: Rect) -> Picture {
        let primitive = ClippedPrimitive { clip_rect, primitive: Primitive::Mesh(mesh) };
        painter.paint([side, side], 1.0, &[primitive], CLEAR).unwrap()
    }

    fn plain(points: &[Pos2], indices: &[u32], color: Color32) -> Mesh {
        Mesh {
            vertices: points.iter().map(|p| Vertex::untextured(*p, color)).collect(),
            indices: indices.to_vec(),
            ..Mesh::default()
        }
    }

    /// Which pixels of a column-by-row picture are not black, row by row.
    fn lit(picture: &Picture) -> Vec<String> {
        (0..picture.height())
            .map(|y| {
                (0..picture.width()).map(|x| if picture.pixel(x, y).unwrap()[0] > 0 { '#' } else { '.' }).collect()
            })
            .collect()
    }

    #[test]
    fn a_triangle_owns_its_top_and_left_edges() {
        // Right angle at (0.5, 0.5), legs of 4: centres on the legs are in, those on the slope are out.
        let corners = [pos2(0.5, 0.5), pos2(4.5, 0.5), pos2(0.5, 4.5)];
        let picture = draw(&painter(), 6, plain(&corners, &[0, 1, 2], Color32::WHITE), everything());
        assert_eq!(lit(&picture), ["####..", "###...", "##....", "#.....", "......", "......"]);
        // The other half of the square takes the slope, and leaves the right and lower edges.
        let corners = [pos2(4.5, 0.5), pos2(4.5, 4.5), pos2(0.5, 4.5)];
        let picture = draw(&painter(), 6, plain(&corners, &[2, 1, 0], Color32::WHITE), everything());
        assert_eq!(lit(&picture), ["......", "...#..", "..##..", ".###..", "......", "......"]);
    }

    #[test]
    fn shared_edges_are_painted_once() {
        // A translucent disc of slivers around odd centres: a second coat would be brighter, a gap black.
        let color = Color32::from_rgba_premultiplied(64, 64, 64, 64);
        for step in 0..40 {
            let center = pos2(20.0 + 0.137 * step as f32, 20.3 - 0.071 * step as f32);
            let count = 3 + step;
            let mut points = vec![center];
            points.extend((0..count).map(|i| {
                let angle = std::f32::consts::TAU * i as f32 / count as f32 + 0.1;
                center + 18.0 * egui::Vec2::angled(angle)
            }));
            let mut indices = Vec::new();
            for i in 0..count {
                let (a, b) = (1 + i, 1 + (i + 1) % count);
                // Winding does not matter.
                indices.extend(if i % 2 == 0 { [0, a, b] } else { [b, a, 0] });
            }
            let picture = draw(&painter(), 48, plain(&points, &indices, color), everything());
            let mut covered = 0;
            for pixel in picture.rgba().chunks_exact(4) {
                assert!(pixel[0] == 0 || pixel[0] == 64, "painted twice: {pixel:?}");
                covered += u32::from(pixel[0] == 64);
            }
            let area = 0.5 * count as f32 * 324.0 * (std::f32::consts::TAU / count as f32).sin();
            assert!((covered as f32 - area).abs() < 0.05 * area + 12.0, "{covered} {area}");
            if count > 8 {
                let middle = picture.pixel(center.x as u32, center.y as u32).unwrap();
                assert_eq!(middle[0], 64);
            }
        }
    }

    #[test]
    fn colours_run_linearly_and_blend_premultiplied() {
        let mut mesh = plain(&[pos2(0.0, 0.0), pos2(512.0, 0.0), pos2(0.0, 512.0)], &[0, 1, 2], CLEAR);
        mesh.vertices[1].color = Color32::WHITE;
        let picture = draw(&painter(), 256, mesh, everything());
        for x in [0, 10, 100, 200] {
            let expected = (f64::from(x) + 0.5) / 512.0 * 255.0;
            let red = f64::from(picture.pixel(x, 3).unwrap()[0]);
            assert!((red - expected).abs() <= 0.51, "{x}: {red} {expected}");
        }
        // out = source + destination * (1 - alpha): 100 + 200 * (1 - 102/255) = 220
        let square = [pos2(0.0, 0.0), pos2(9.0, 0.0), pos2(9.0, 9.0), pos2(0.0, 9.0)];
        let source = Color32::from_rgba_premultiplied(100, 0, 0, 102);
        let primitive = ClippedPrimitive {
            clip_rect: everything(),
            primitive: Primitive::Mesh(plain(&square, &[0, 1, 2, 0, 2, 3], source)),
        };
        let background = Color32::from_rgb(200, 50, 0);
        let picture = painter().paint([8, 8], 1.0, &[primitive], background).unwrap();
        assert_eq!(picture.pixel(4, 4).unwrap(), [220, 30, 0, 255]);
    }

    fn noise_image(side: usize) -> ColorImage {
        let pixels = (0..side * side)
            .map(|i| {
                let v = (i as u32).wrapping_mul(2_654_435_761);
                Color32::from_rgb((v >> 8) as u8, (v >> 16) as u8, (v >> 24) as u8)
            })
            .collect();
        ColorImage::new([side, side], pixels)
    }

    #[test]
    fn rectangles_look_like_their_two_triangles() {
        for options in [TextureOptions::NEAREST, TextureOptions::LINEAR] {
            let painter = painter_with(7, noise_image(16), options);
            for step in 0..30 {
                let min = pos2(3.0 + 0.31 * step as f32, 2.0 + 0.17 * step as f32);
                let size = egui::vec2(8.0 + step as f32, 16.0 + 0.5 * step as f32);
                let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 0.75));
                let tint = Color32::from_rgba_premultiplied(200, 180, 160, 220);
                let mut quad = Mesh::with_texture(TextureId::User(7));
                quad.add_rect_with_uv(Rect::from_min_size(min, size), uv, tint);
                let fast = draw(&painter, 64, quad.clone(), everything());
                // Another order of corners keeps the painter from seeing the rectangle.
                quad.indices = vec![1, 2, 0, 3, 1, 2];
                let slow = draw(&painter, 64, quad, everything());
                let mut different = 0;
                for (a, b) in fast.rgba().iter().zip(slow.rgba()) {
                    different += usize::from(a.abs_diff(*b) > 3);
                }
                // Nearest texels may differ where a centre falls on the edge of a texel.
                assert!(different <= 40 * 4, "{options:?} {step}: {different}");
            }
        }
    }

    #[test]
    fn pixel_for_pixel_images_are_exact() {
        let image = noise_image(16);
        for options in [TextureOptions::NEAREST, TextureOptions::LINEAR] {
            let painter = painter_with(7, image.clone(), options);
            let mut quad = Mesh::with_texture(TextureId::User(7));
            let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            quad.add_rect_with_uv(Rect::from_min_size(pos2(3.0, 5.0), egui::vec2(16.0, 16.0)), uv, Color32::WHITE);
            let picture = draw(&painter, 32, quad, everything());
            for y in 0..16u32 {
                for x in 0..16u32 {
                    let texel = image.pixels[(16 * y + x) as usize].to_array();
                    assert_eq!(picture.pixel(x + 3, y + 5).unwrap(), texel);
                }
            }
            assert_eq!(picture.pixel(2, 5).unwrap(), CLEAR.to_array());
        }
    }

    #[test]
    fn clip_rectangles_cut() {
        let square = [pos2(0.0, 0.0), pos2(8.0, 0.0), pos2(8.0, 8.0), pos2(0.0, 8.0)];
        let mesh = plain(&square, &[0, 1, 2, 0, 2, 3], Color32::WHITE);
        let clip = Rect::from_min_max(pos2(1.0, 2.0), pos2(3.0, 4.0));
        let picture = draw(&painter(), 6, mesh, clip);
        assert_eq!(lit(&picture), ["......", "......", ".##...", ".##...", "......", "......"]);
    }

    #[test]
    fn patches_change_part_and_freed_textures_last_one_frame() {
        let mut painter = painter_with(3, ColorImage::filled([4, 4], Color32::WHITE), TextureOptions::NEAREST);
        let mut delta = TexturesDelta::default();
        let patch = ColorImage::filled([2, 1], Color32::RED);
        delta.push(TextureId::User(3), ImageDelta::partial([1, 2], patch, TextureOptions::NEAREST));
        delta.free(TextureId::User(3));
        painter.update_textures(&mut delta);
        assert!(delta.is_empty());
        let mut quad = Mesh::with_texture(TextureId::User(3));
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        quad.add_rect_with_uv(Rect::from_min_size(pos2(0.0, 0.0), egui::vec2(4.0, 4.0)), uv, Color32::WHITE);
        let picture = draw(&painter, 4, quad, everything());
        assert_eq!(picture.pixel(1, 2).unwrap(), Color32::RED.to_array());
        assert_eq!(picture.pixel(3, 2).unwrap(), Color32::WHITE.to_array());
        painter.update_textures(&mut TexturesDelta::default());
        assert_eq!(painter.texture_count(), 1);
    }

    #[test]
    fn wild_coordinates_do_no_harm() {
        let wild = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 3.0, -0.0];
        let painter = painter();
        for (i, a) in wild.iter().enumerate() {
            for b in wild {
                let points = [pos2(*a, b), pos2(b, 2.0), pos2(wild[(i + 3) % 7], *a), pos2(1.0, b)];
                let mut mesh = plain(&points, &[0, 1, 2, 2, 1, 3, 3, 0, 2], Color32::WHITE);
                mesh.vertices[1].uv = pos2(*a, b);
                let clip = Rect::from_min_max(pos2(b, -3.0), pos2(*a, 1e20));
                let picture = draw(&painter, 8, mesh, clip);
                assert_eq!(picture.width(), 8);
            }
        }
        assert_eq!(WHITE_UV, pos2(0.0, 0.0));
    }
}
