//! The inner loops of the CPU painter: triangles and axis-aligned rectangles into a strip of rows.

use egui::TextureFilter;
use egui::epaint;

use super::soft::{Texture, wrap};

/// Sub-pixel steps a pixel.
const SUB: i64 = 256;
/// Positions are kept within this many pixels of the origin, so that products of two differences fit in 64 bits.
const FAR: f32 = 1e6;

/// A vertex in 1/256 pixels.
#[derive(Clone, Copy)]
pub(super) struct Vertex {
    x: i64,
    y: i64,
    u: f32,
    v: f32,
    color: [u8; 4],
}

impl Vertex {
    pub(super) fn new(vertex: &epaint::Vertex, pixels_per_point: f32) -> Self {
        let quantise = |p: f32| ((p * pixels_per_point).clamp(-FAR, FAR) * SUB as f32).round() as i64;
        Self {
            x: quantise(vertex.pos.x),
            y: quantise(vertex.pos.y),
            u: vertex.uv.x,
            v: vertex.uv.y,
            color: vertex.color.to_array(),
        }
    }
}

/// A mesh ready to paint: vertices in 1/256 pixels, clip box `[left, top, right, bottom]` in pixels (right, bottom excluded).
pub(super) struct Mesh<'a> {
    clip: [i32; 4],
    /// First row and the row behind the last that the mesh can touch.
    rows: [i64; 2],
    vertices: Vec<Vertex>,
    indices: &'a [u32],
    texture: &'a Texture,
}

impl<'a> Mesh<'a> {
    pub(super) fn new(clip: [i32; 4], vertices: Vec<Vertex>, indices: &'a [u32], texture: &'a Texture) -> Option<Self> {
        if texture.width == 0 || texture.height == 0 {
            return None;
        }
        let top = vertices.iter().map(|v| v.y).min()?.div_euclid(SUB);
        let bottom = vertices.iter().map(|v| v.y).max()?.div_euclid(SUB) + 1;
        let rows = [top.max(clip[1].into()), bottom.min(clip[3].into())];
        (rows[0] < rows[1]).then_some(Self { clip, rows, vertices, indices, texture })
    }
}

/// A strip of rows of the picture.
pub(super) struct Band<'a> {
    pixels: &'a mut [[u8; 4]],
    width: usize,
    top: i64,
    bottom: i64,
    columns: Vec<Sample>,
}

/// Two neighbouring texels along one axis and the weight of the second, out of 256.
#[derive(Clone, Copy)]
struct Sample {
    first: usize,
    second: usize,
    weight: u32,
}

/// The box that a shape may touch: first pixel and the one behind the last.
#[derive(Clone, Copy)]
struct Bounds {
    x: [i64; 2],
    y: [i64; 2],
}

impl Bounds {
    fn is_empty(self) -> bool {
        self.x[0] >= self.x[1] || self.y[0] >= self.y[1]
    }
}

impl<'a> Band<'a> {
    /// The rows from `top` on that `pixels` holds.
    pub(super) fn new(pixels: &'a mut [[u8; 4]], width: usize, top: usize) -> Self {
        let rows = pixels.len() / width.max(1);
        Self { pixels, width, top: top as i64, bottom: (top + rows) as i64, columns: Vec::new() }
    }

    /// Paints the part of a mesh that lies in this band.
    pub(super) fn paint(&mut self, mesh: &Mesh<'_>) {
        let window = Bounds {
            x: [mesh.clip[0].into(), mesh.clip[2].into()],
            y: [self.top.max(mesh.rows[0]), self.bottom.min(mesh.rows[1])],
        };
        if window.is_empty() {
            return;
        }
        let mut rest = mesh.indices;
        while let Some((triangle, behind)) = rest.split_first_chunk::<3>() {
            if let Some(next) = behind.first_chunk::<3>()
                && let Some(corners) = rectangle(&mesh.vertices, triangle, next)
            {
                self.rectangle(corners, mesh.texture, window);
                rest = &behind[3..];
                continue;
            }
            let corner = |i: usize| mesh.vertices.get(triangle[i] as usize).copied();
            if let (Some(a), Some(b), Some(c)) = (corner(0), corner(1), corner(2)) {
                self.triangle([a, b, c], mesh.texture, window);
            }
            rest = behind;
        }
    }

    /// The pixels `[from, to)` of a row.
    fn row(&mut self, y: i64, from: i64, to: i64) -> &mut [[u8; 4]] {
        let start = (y - self.top) as usize * self.width;
        &mut self.pixels[start + from as usize..start + to as usize]
    }

    fn triangle(&mut self, mut corners: [Vertex; 3], texture: &Texture, window: Bounds) {
        let ys = corners.map(|c| c.y);
        let y_first = ys[0].min(ys[1]).min(ys[2]);
        let y_last = ys[0].max(ys[1]).max(ys[2]);
        let y = [first_center(y_first).max(window.y[0]), first_center(y_last + 1).min(window.y[1])];
        if y[0] >= y[1] {
            return;
        }
        let mut area = doubled_area(&corners);
        if area == 0 {
            return;
        }
        if area < 0 {
            corners.swap(1, 2);
            area = -area;
        }
        let edges =
            [Edge::new(corners[0], corners[1]), Edge::new(corners[1], corners[2]), Edge::new(corners[2], corners[0])];
        let paint = TrianglePaint::new(&corners, area, texture);
        for row in y[0]..y[1] {
            let mut span = window.x;
            for edge in &edges {
                edge.narrow(row, &mut span);
            }
            if span[0] < span[1] {
                let pixels = self.row(row, span[0], span[1]);
                paint.fill(pixels, span[0], row);
            }
        }
    }

    /// Corners: left top and right bottom of a rectangle of one colour.
    fn rectangle(&mut self, [min, max]: [Vertex; 2], texture: &Texture, window: Bounds) {
        let bounds = Bounds {
            x: [first_center(min.x).max(window.x[0]), first_center(max.x).min(window.x[1])],
            y: [first_center(min.y).max(window.y[0]), first_center(max.y).min(window.y[1])],
        };
        if bounds.is_empty() {
            return;
        }
        if min.u == max.u && min.v == max.v {
            let source = modulate(nearest(texture, min.u, min.v), min.color);
            for row in bounds.y[0]..bounds.y[1] {
                fill(self.row(row, bounds.x[0], bounds.x[1]), source);
            }
            return;
        }
        let columns = Axis::new(min.x, max.x, min.u, max.u, texture.width);
        let rows = Axis::new(min.y, max.y, min.v, max.v, texture.height);
        let smooth = texture.filter(columns.step.abs().max(rows.step.abs())) == TextureFilter::Linear
            && !(columns.on_texels() && rows.on_texels());
        let mut samples = std::mem::take(&mut self.columns);
        samples.clear();
        samples.extend((bounds.x[0]..bounds.x[1]).map(|x| columns.sample(x, texture, texture.width, smooth)));
        for y in bounds.y[0]..bounds.y[1] {
            let line = rows.sample(y, texture, texture.height, smooth);
            let upper = texture_row(texture, line.first);
            let lower = texture_row(texture, line.second);
            let pixels = self.row(y, bounds.x[0], bounds.x[1]);
            for (pixel, s) in pixels.iter_mut().zip(&samples) {
                let texel = if smooth {
                    mix(
                        mix(upper[s.first], upper[s.second], s.weight),
                        mix(lower[s.first], lower[s.second], s.weight),
                        line.weight,
                    )
                } else {
                    upper[s.first]
                };
                over(pixel, modulate(texel, min.color));
            }
        }
        self.columns = samples;
    }
}

fn texture_row(texture: &Texture, row: usize) -> &[[u8; 4]] {
    &texture.texels[row * texture.width..(row + 1) * texture.width]
}

/// The left top and right bottom corner when two triangles are one upright rectangle of one colour, in the order of
/// `epaint::Mesh::add_rect_with_uv` (which also sets every glyph).
fn rectangle(vertices: &[Vertex], first: &[u32; 3], second: &[u32; 3]) -> Option<[Vertex; 2]> {
    let [a, b, c] = first.map(|i| i as usize);
    if second[0] as usize != c || second[1] as usize != b {
        return None;
    }
    let (lt, rt, lb) = (vertices.get(a)?, vertices.get(b)?, vertices.get(c)?);
    let rb = vertices.get(second[2] as usize)?;
    let upright = lt.x == lb.x && rt.x == rb.x && lt.y == rt.y && lb.y == rb.y && lt.x < rt.x && lt.y < lb.y;
    let straight = lt.u == lb.u && rt.u == rb.u && lt.v == rt.v && lb.v == rb.v;
    let plain = lt.color == rt.color && lt.color == lb.color && lt.color == rb.color;
    (upright && straight && plain).then_some([*lt, *rb])
}

/// The first pixel whose centre is at or right of (below) a position in 1/256 pixels.
fn first_center(position: i64) -> i64 {
    (position - SUB / 2 + SUB - 1).div_euclid(SUB)
}

fn doubled_area(c: &[Vertex; 3]) -> i64 {
    (c[1].x - c[0].x) * (c[2].y - c[0].y) - (c[1].y - c[0].y) * (c[2].x - c[0].x)
}

/// One edge of a triangle as `value(x, y) >= 0` inside, at pixel centres.
struct Edge {
    /// Value at the centre of pixel (0, 0), the top-left rule included.
    origin: i64,
    per_column: i64,
    per_row: i64,
}

impl Edge {
    /// From `a` to `b` with the inside to the right of the way, in coordinates with y down.
    fn new(a: Vertex, b: Vertex) -> Self {
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        // Pixels exactly on the edge belong to it only on the left and at the top.
        let owns_boundary = dy < 0 || (dy == 0 && dx > 0);
        let half = SUB / 2;
        Self {
            origin: dx * (half - a.y) - dy * (half - a.x) - i64::from(!owns_boundary),
            per_column: -dy * SUB,
            per_row: dx * SUB,
        }
    }

    /// Cuts a span of columns `[from, to)` to those inside on a row.
    fn narrow(&self, row: i64, span: &mut [i64; 2]) {
        let at_zero = self.origin + row * self.per_row;
        let step = self.per_column;
        if step > 0 {
            // x >= -at_zero / step, rounded up
            span[0] = span[0].max(-at_zero.div_euclid(step));
        } else if step < 0 {
            // x <= at_zero / -step, rounded down
            span[1] = span[1].min(at_zero.div_euclid(-step) + 1);
        } else if at_zero < 0 {
            span[1] = span[0];
        }
    }
}

/// A quantity that is linear over a triangle, by pixel.
#[derive(Clone, Copy)]
struct Plane {
    origin: f32,
    per_column: f32,
    per_row: f32,
}

impl Plane {
    fn new(corners: &[Vertex; 3], area: i64, values: [f32; 3]) -> Self {
        let area = area as f64;
        let (d1, d2) = (f64::from(values[1] - values[0]), f64::from(values[2] - values[0]));
        let (x1, y1) = ((corners[1].x - corners[0].x) as f64, (corners[1].y - corners[0].y) as f64);
        let (x2, y2) = ((corners[2].x - corners[0].x) as f64, (corners[2].y - corners[0].y) as f64);
        let sub = SUB as f64;
        let per_column = (d1 * y2 - d2 * y1) / area * sub;
        let per_row = (d2 * x1 - d1 * x2) / area * sub;
        let x = 0.5 - corners[0].x as f64 / sub;
        let y = 0.5 - corners[0].y as f64 / sub;
        Self {
            origin: (f64::from(values[0]) + x * per_column + y * per_row) as f32,
            per_column: per_column as f32,
            per_row: per_row as f32,
        }
    }

    fn at(&self, x: i64, y: i64) -> f32 {
        self.origin + x as f32 * self.per_column + y as f32 * self.per_row
    }
}

/// What a triangle puts on its pixels.
enum TrianglePaint<'a> {
    Plain([u8; 4]),
    Shaded { color: [Plane; 4], texel: [u8; 4] },
    Textured { color: [Plane; 4], u: Plane, v: Plane, texture: &'a Texture, smooth: bool },
}

impl<'a> TrianglePaint<'a> {
    fn new(corners: &[Vertex; 3], area: i64, texture: &'a Texture) -> Self {
        let [a, b, c] = corners;
        let one_texel = a.u == b.u && a.u == c.u && a.v == b.v && a.v == c.v;
        let one_color = a.color == b.color && a.color == c.color;
        let plane = |pick: &dyn Fn(&Vertex) -> f32| Plane::new(corners, area, [pick(a), pick(b), pick(c)]);
        if one_texel && one_color {
            return Self::Plain(modulate(nearest(texture, a.u, a.v), a.color));
        }
        let color = std::array::from_fn(|i| plane(&|vertex| f32::from(vertex.color[i])));
        if one_texel {
            let texel = nearest(texture, a.u, a.v);
            return Self::Shaded { color, texel };
        }
        let u = plane(&|vertex| vertex.u * texture.width as f32);
        let v = plane(&|vertex| vertex.v * texture.height as f32);
        let step = u.per_column.hypot(v.per_column).max(u.per_row.hypot(v.per_row));
        Self::Textured { color, u, v, texture, smooth: texture.filter(step) == TextureFilter::Linear }
    }

    fn fill(&self, pixels: &mut [[u8; 4]], left: i64, row: i64) {
        match self {
            Self::Plain(source) => fill(pixels, *source),
            Self::Shaded { color, texel } => {
                let mut value = color.map(|plane| plane.at(left, row));
                for pixel in pixels {
                    over(pixel, modulate(*texel, value.map(byte)));
                    for (v, plane) in value.iter_mut().zip(color) {
                        *v += plane.per_column;
                    }
                }
            }
            Self::Textured { color, u, v, texture, smooth } => {
                for (pixel, x) in pixels.iter_mut().zip(left..) {
                    let (s, t) = (u.at(x, row), v.at(x, row));
                    let texel =
                        if *smooth { linear(texture, s, t) } else { texture.texel(s.floor() as i64, t.floor() as i64) };
                    over(pixel, modulate(texel, color.map(|plane| byte(plane.at(x, row)))));
                }
            }
        }
    }
}

fn byte(value: f32) -> u8 {
    (value + 0.5) as u8 // `as` saturates
}

fn nearest(texture: &Texture, u: f32, v: f32) -> [u8; 4] {
    let x = (u * texture.width as f32).floor() as i64;
    let y = (v * texture.height as f32).floor() as i64;
    texture.texel(x, y)
}

/// Four texels around a position in texels (texel centres at halves), mixed.
fn linear(texture: &Texture, s: f32, t: f32) -> [u8; 4] {
    let (s, t) = (s - 0.5, t - 0.5);
    let (x, y) = (s.floor(), t.floor());
    let wx = ((s - x) * 256.0) as u32;
    let wy = ((t - y) * 256.0) as u32;
    let (x, y) = (x as i64, y as i64);
    mix(
        mix(texture.texel(x, y), texture.texel(x + 1, y), wx),
        mix(texture.texel(x, y + 1), texture.texel(x + 1, y + 1), wx),
        wy,
    )
}

/// Texels along one side of a rectangle.
struct Axis {
    /// Position in texels at the centre of pixel 0.
    origin: f64,
    /// Texels a pixel.
    step: f32,
}

impl Axis {
    fn new(from: i64, to: i64, u_from: f32, u_to: f32, texels: usize) -> Self {
        let step = f64::from(u_to - u_from) * texels as f64 / (to - from) as f64;
        let origin = f64::from(u_from) * texels as f64 + (SUB / 2 - from) as f64 * step;
        Self { origin, step: (step * SUB as f64) as f32 }
    }

    fn position(&self, pixel: i64) -> f64 {
        self.origin + pixel as f64 * f64::from(self.step)
    }

    /// True when every pixel centre lies on a texel centre: glyphs, and images at 1:1.
    fn on_texels(&self) -> bool {
        let fraction = (self.origin - 0.5).rem_euclid(1.0);
        (self.step.abs() - 1.0).abs() < 1e-4 && !(0.02..=0.98).contains(&fraction)
    }

    fn sample(&self, pixel: i64, texture: &Texture, size: usize, smooth: bool) -> Sample {
        let position = self.position(pixel);
        let mode = texture.options.wrap_mode;
        if !smooth {
            // A hair to the right, so that a centre that rounding put just left of a texel's edge stays on its side.
            let texel = wrap((position + 1e-4).floor() as i64, size, mode);
            return Sample { first: texel, second: texel, weight: 0 };
        }
        let position = position - 0.5;
        let first = position.floor();
        Sample {
            first: wrap(first as i64, size, mode),
            second: wrap(first as i64 + 1, size, mode),
            weight: ((position - first) * 256.0) as u32,
        }
    }
}

fn mix(a: [u8; 4], b: [u8; 4], weight: u32) -> [u8; 4] {
    std::array::from_fn(|i| {
        let mixed = u32::from(a[i]) * (256 - weight) + u32::from(b[i]) * weight;
        ((mixed + 128) >> 8) as u8
    })
}

/// `a * b / 255`, rounded.
#[inline]
fn product(a: u8, b: u8) -> u8 {
    let v = u32::from(a) * u32::from(b) + 128;
    ((v + (v >> 8)) >> 8) as u8
}

#[inline]
fn modulate(texel: [u8; 4], color: [u8; 4]) -> [u8; 4] {
    if color == [255; 4] {
        texel
    } else if texel == [255; 4] {
        color
    } else {
        std::array::from_fn(|i| product(texel[i], color[i]))
    }
}

/// Premultiplied source over destination.
#[inline]
fn over(pixel: &mut [u8; 4], source: [u8; 4]) {
    if source[3] == 255 {
        *pixel = source;
    } else if source != [0; 4] {
        let rest = 255 - source[3];
        *pixel = std::array::from_fn(|i| source[i].saturating_add(product(pixel[i], rest)));
    }
}

fn fill(pixels: &mut [[u8; 4]], source: [u8; 4]) {
    if source[3] == 255 {
        pixels.fill(source);
    } else if source != [0; 4] {
        for pixel in pixels {
            over(pixel, source);
        }
    }
}
