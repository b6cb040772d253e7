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
