//! The camera of an image view: which pixel is in the middle, and how large a pixel is on the screen.

use egui::{Pos2, Rect, Vec2, pos2};
use serde::{Deserialize, Serialize};

/// Smallest and largest screen size of an image pixel, in points.
const SCALE_RANGE: [f64; 2] = [1.0 / 4096.0, 1024.0];

/// How much higher than wide a pixel may be, and the other way round.
const STRETCH_RANGE: [f64; 2] = [1.0 / 4096.0, 4096.0];

/// What part of an image is seen. Two views that are given the same camera move together.
///
/// Pixel coordinates are 0-based, the centre of the first pixel is `[0, 0]`, `y` grows upwards on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Camera {
    /// Pixel coordinate `[x, y]` in the middle of the view.
    pub center: [f64; 2],
    /// Points on the screen of one image pixel.
    pub points_per_pixel: f64,
    /// The whole image stays fitted into the view, whatever its size, until the user moves the camera.
    pub follows_fit: bool,
    /// Fitted, the image fills the view along both axes, and its pixels are no squares: for images whose axes have nothing in
    /// common, such as position against wavelength.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fills: bool,
    /// How many times as high as wide a pixel is on the screen.
    #[serde(skip_serializing_if = "is_square")]
    pub stretch: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
fn is_square(stretch: &f64) -> bool {
    *stretch == 1.0
}

impl Default for Camera {
    fn default() -> Self {
        Self { center: [0.0, 0.0], points_per_pixel: 1.0, follows_fit: true, fills: false, stretch: 1.0 }
    }
}

impl Camera {
    /// A camera with a pixel coordinate in the middle and a scale, which is kept within what a view can show.
    #[must_use]
    pub fn at(center: [f64; 2], points_per_pixel: f64) -> Self {
        let mut camera = Self { center, follows_fit: false, ..Self::default() };
        camera.set_scale(points_per_pixel);
        camera
    }

    /// Shows a whole image of `[width, height]` pixels in a view of the given size in points, and keeps it fitted.
    pub fn fit(&mut self, image_size: [usize; 2], view_size: Vec2) {
        let [width, height] = image_size.map(|n| n.max(1) as f64);
        self.center = [(width - 1.0) / 2.0, (height - 1.0) / 2.0];
        let [across, up] = [f64::from(view_size.x) / width, f64::from(view_size.y) / height];
        self.set_scale(if self.fills { across } else { across.min(up) });
        self.stretch =
            if self.fills { (up / self.points_per_pixel).clamp(STRETCH_RANGE[0], STRETCH_RANGE[1]) } else { 1.0 };
        self.follows_fit = true;
    }

    /// Points on the screen of one image pixel upwards; [`Self::points_per_pixel`] is that along x.
    #[must_use]
    pub fn points_up(&self) -> f64 {
        self.points_per_pixel * self.stretch
    }

    /// One image pixel to one pixel of the screen.
    pub fn one_to_one(&mut self, pixels_per_point: f32) {
        self.set_scale(1.0 / f64::from(pixels_per_point));
        self.stretch = 1.0;
        self.follows_fit = false;
    }

    /// Puts a pixel coordinate into the middle.
    pub fn center_on(&mut self, pixel: [f64; 2]) {
        if pixel.iter().all(|v| v.is_finite()) {
            self.center = pixel;
            self.follows_fit = false;
        }
    }

    /// Moves the image by a distance on the screen, in points.
    pub fn pan(&mut self, delta: Vec2) {
        self.center[0] -= f64::from(delta.x) / self.points_per_pixel;
        self.center[1] += f64::from(delta.y) / self.points_up();
        self.follows_fit = false;
    }

    /// Magnifies by `factor` and keeps what is under the pointer where it is.
    pub fn zoom_at(&mut self, view: Rect, pointer: Pos2, factor: f64) {
        let fixed = self.pixel_from_screen(view, pointer);
        self.set_scale(self.points_per_pixel * factor);
        let offset = pointer - view.center();
        self.center =
            [fixed[0] - f64::from(offset.x) / self.points_per_pixel, fixed[1] + f64::from(offset.y) / self.points_up()];
        self.follows_fit = false;
    }

    /// The place on the screen of a pixel coordinate.
    #[must_use]
    pub fn screen_from_pixel(&self, view: Rect, pixel: [f64; 2]) -> Pos2 {
        let center = view.center();
        pos2(
            (f64::from(center.x) + (pixel[0] - self.center[0]) * self.points_per_pixel) as f32,
            (f64::from(center.y) - (pixel[1] - self.center[1]) * self.points_up()) as f32,
        )
    }

    /// The pixel coordinate under a place on the screen.
    #[must_use]
    pub fn pixel_from_screen(&self, view: Rect, screen: Pos2) -> [f64; 2] {
        let offset = screen - view.center();
        [
            self.center[0] + f64::from(offset.x) / self.points_per_pixel,
            self.center[1] - f64::from(offset.y) / self.points_up(),
        ]
    }

    /// The corners of the view in pixel coordinates: `[x low, y low, x high, y high]`.
    #[must_use]
    pub fn visible(&self, view: Rect) -> [f64; 4] {
        let [x0, y0] = self.pixel_from_screen(view, view.left_bottom());
        let [x1, y1] = self.pixel_from_screen(view, view.right_top());
        [x0, y0, x1, y1]
    }

    fn set_scale(&mut self, scale: f64) {
        if scale.is_finite() {
            self.points_per_pixel = scale.clamp(SCALE_RANGE[0], SCALE_RANGE[1]);
        }
    }

    /// Makes a camera from a file usable: what is not finite or not positive becomes the fitted view.
    pub fn sanitize(&mut self) {
        let [low, high] = SCALE_RANGE;
        let usable = self.center.iter().all(|v| v.is_finite())
            && (low..=high).contains(&self.points_per_pixel)
            && (STRETCH_RANGE[0]..=STRETCH_RANGE[1]).contains(&self.stretch);
        if !usable {
            *self = Self { fills: self.fills, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use egui::vec2;

    use super::*;

    fn view() -> Rect {
        Rect::from_min_size(pos2(100.0, 50.0), vec2(400.0, 300.0))
    }

    #[test]
    fn fit_shows_all_with_row_zero_below() {
        let mut camera = Camera::default();
        camera.fit([200, 100], view().size());
        assert!((camera.points_per_pixel - 2.0).abs() < 1e-12);
        let low = camera.screen_from_pixel(view(), [-0.5, -0.5]);
        let high = camera.screen_from_pixel(view(), [199.5, 99.5]);
        assert!((low - pos2(100.0, 300.0)).length() < 1e-3, "{low}");
        assert!((high - pos2(500.0, 100.0)).length() < 1e-3, "{high}");
    }

    #[test]
    fn an_image_that_fills_has_its_corners_in_those_of_the_view() {
        let mut camera = Camera { fills: true, ..Camera::default() };
        camera.fit([50, 3000], view().size());
        assert!((camera.points_per_pixel - 8.0).abs() < 1e-9 && (camera.points_up() - 0.1).abs() < 1e-9);
        for (pixel, corner) in [([-0.5, -0.5], view().left_bottom()), ([49.5, 2999.5], view().right_top())] {
            assert!((camera.screen_from_pixel(view(), pixel) - corner).length() < 1e-3);
        }
        let pointer = pos2(180.0, 70.0);
        let before = camera.pixel_from_screen(view(), pointer);
        camera.zoom_at(view(), pointer, 3.0);
        camera.pan(vec2(10.0, -20.0));
        let after = camera.pixel_from_screen(view(), pointer + vec2(10.0, -20.0));
        assert!((before[0] - after[0]).abs() < 1e-4 && (before[1] - after[1]).abs() < 1e-2, "{before:?} {after:?}");
        let text = serde_json::to_string(&camera).unwrap();
        assert_eq!(serde_json::from_str::<Camera>(&text).unwrap(), camera);
        assert!(!serde_json::to_string(&Camera::default()).unwrap().contains("stretch"));
        camera.stretch = f64::NAN;
        camera.sanitize();
        assert!(camera.fills && camera.stretch == 1.0 && camera.follows_fit);
    }

    #[test]
    fn zoom_keeps_the_pixel_under_the_pointer() {
        let mut camera = Camera::default();
        camera.fit([5000, 3000], view().size());
        for (i, factor) in [1.3, 7.0, 0.2, 100.0, 0.001, 3.0].into_iter().enumerate() {
            let pointer = pos2(130.0 + 50.0 * i as f32, 71.0 + 30.0 * i as f32);
            let before = camera.pixel_from_screen(view(), pointer);
            camera.zoom_at(view(), pointer, factor);
            let after = camera.pixel_from_screen(view(), pointer);
            for c in 0..2 {
                assert!((before[c] - after[c]).abs() < 1e-6, "{before:?} {after:?}");
            }
            let back = camera.screen_from_pixel(view(), after);
            assert!((back - pointer).length() < 1e-2);
        }
        assert!(!camera.follows_fit);
    }

    #[test]
    fn pan_moves_the_image_with_the_hand() {
        let mut camera = Camera::default();
        camera.fit([100, 100], view().size());
        let before = camera.screen_from_pixel(view(), [10.0, 20.0]);
        camera.pan(vec2(13.0, -7.0));
        let after = camera.screen_from_pixel(view(), [10.0, 20.0]);
        assert!((after - before - vec2(13.0, -7.0)).length() < 1e-3);
    }

    #[test]
    fn nonsense_from_a_file_is_mended() {
        for bad in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
            let mut camera = Camera { points_per_pixel: bad, ..Camera::default() };
            camera.sanitize();
            assert_eq!(camera, Camera::default());
        }
    }
}
