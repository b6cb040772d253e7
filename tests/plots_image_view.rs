//! The image view: the value under the pointer, zoom at the pointer, and only as many tiles as needed.

use std::sync::Arc;

use egui::{
    Event, Key, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, Theme, TouchPhase, pos2, vec2,
};
use ndarray::Array2;
use sextans::plots::color_table::Display;
use sextans::plots::colors;
use sextans::plots::headless::Headless;
use sextans::plots::image_camera::Camera;
use sextans::plots::image_overlay::{Mask, Overlays};
use sextans::plots::image_tiles::UPLOADS_PER_FRAME;
use sextans::plots::image_view::{ImageResponse, ImageSource, ImageView};
use sextans::plots::limits::LimitsMode;

/// A view of one image in a window of its own.
struct Bench {
    window: Headless,
    view: ImageView,
    source: ImageSource,
    display: Display,
    camera: Camera,
    mask: Option<Arc<Array2<bool>>>,
    wants_more: bool,
}

impl Bench {
    fn new(image: Array2<f32>) -> Self {
        Self {
            window: Headless::new([420.0, 320.0], 1.0, Theme::Dark),
            view: ImageView::default(),
            source: ImageSource::new("test", image),
            display: Display {
                color_map: "gray".to_owned(),
                limits: LimitsMode::MinMax,
                axes: false,
                ..Display::default()
            },
            camera: Camera::default(),
            mask: None,
            wants_more: false,
        }
    }

    fn frame(&mut self) -> ImageResponse {
        let mut response = None;
        let mut overlays = Overlays::default();
        if let Some(mask) = &self.mask {
            overlays.masks.push(Mask { pixels: mask, revision: 1, color: colors::mask_tint(Theme::Dark), label: "" });
        }
        self.wants_more = self.window.frame(|ui| {
            let (source, display, camera) = (&self.source, &mut self.display, &mut self.camera);
            response = Some(self.view.show(ui, "image", source, display, camera, &overlays));
        });
        response.expect("the frame has run")
    }

    fn settle(&mut self) -> ImageResponse {
        for _ in 0..200 {
            let response = self.frame();
            if !self.wants_more {
                return response;
            }
        }
        panic!("the view never rests");
    }

    fn button(&mut self, pos: Pos2, button: PointerButton, pressed: bool) {
        self.window.event(Event::PointerMoved(pos));
        self.window.event(Event::PointerButton { pos, button, pressed, modifiers: Modifiers::NONE });
    }

    fn drag(&mut self, from: Pos2, to: Pos2, button: PointerButton) {
        self.button(from, button, true);
        self.frame();
        for step in 1..=4 {
            self.window.event(Event::PointerMoved(from + (to - from) * (step as f32 / 4.0)));
            self.frame();
        }
        self.button(to, button, false);
        self.frame();
    }

    fn wheel(&mut self, pos: Pos2, points: f32) -> ImageResponse {
        self.window.event(Event::PointerMoved(pos));
        self.window.event(Event::MouseWheel {
            unit: MouseWheelUnit::Point,
            delta: vec2(0.0, points),
            phase: TouchPhase::Move,
            source: MouseWheelSource::Wheel,
            modifiers: Modifiers::NONE,
        });
        self.settle()
    }
}

fn ramp(height: usize, width: usize) -> Array2<f32> {
    Array2::from_shape_fn((height, width), |(y, x)| (1000 * y + x) as f32)
}

#[test]
fn the_pointer_reads_the_pixel_below_it() {
    let mut bench = Bench::new(ramp(30, 40));
    let response = bench.settle();
    for (x, y) in [(0, 0), (39, 29), (17, 4)] {
        let place = response.screen_from_pixel([f64::from(x), f64::from(y)]);
        bench.window.event(Event::PointerMoved(place));
        let hovered = bench.settle();
        assert_eq!(hovered.value, Some((1000 * y + x) as f32));
        let [hx, hy] = hovered.hovered.unwrap();
        assert!((hx - f64::from(x)).abs() < 0.05 && (hy - f64::from(y)).abs() < 0.05);
        let text = hovered.read_out("Jy").unwrap();
        assert!(text.starts_with(&format!("x {}.0", x + 1)), "{text}");
    }
    // Row 0 lies at the bottom.
    let low = response.screen_from_pixel([0.0, 0.0]);
    let high = response.screen_from_pixel([0.0, 29.0]);
    assert!(low.y > high.y);
    // Beside the image there is a place but no value.
    bench.window.event(Event::PointerMoved(response.view.left_center() + vec2(1.0, 0.0)));
    assert!(bench.settle().hovered.is_some());
}

#[test]
fn the_picture_shows_the_pixels() {
    let mut bench = Bench::new(ramp(3, 4).mapv(|v| if v == 2001.0 { f32::NAN } else { v }));
    let response = bench.settle();
    let picture = bench.window.picture().unwrap();
    let color_at = |x: u32, y: u32| {
        let place = response.screen_from_pixel([f64::from(x), f64::from(y)]);
        picture.pixel(place.x as u32, place.y as u32).unwrap()
    };
    assert_eq!(color_at(0, 0), [0, 0, 0, 255]);
    assert_eq!(color_at(3, 2), [255, 255, 255, 255]);
    assert_eq!(color_at(1, 2), colors::nan_neutral(Theme::Dark).to_array());
    let middle = color_at(0, 1)[0];
    assert!((126..=128).contains(&middle), "{middle}");
    // Crisp: just inside of its edge a pixel has its full colour.
    let edge = response.screen_from_pixel([0.48, 0.0]);
    assert_eq!(picture.pixel(edge.x as u32, edge.y as u32).unwrap()[0], 0);
}

#[test]
fn zoom_keeps_the_pixel_under_the_pointer() {
    let mut bench = Bench::new(ramp(300, 400));
    bench.settle();
    let pointer = pos2(123.0, 77.0);
    bench.window.event(Event::PointerMoved(pointer));
    let before = bench.settle().hovered.unwrap();
    let scale = bench.camera.points_per_pixel;
    for points in [50.0, 120.0, -60.0] {
        let after = bench.wheel(pointer, points).hovered.unwrap();
        assert!((before[0] - after[0]).abs() < 1e-6, "{before:?} {after:?}");
        assert!((before[1] - after[1]).abs() < 1e-6, "{before:?} {after:?}");
    }
    let expected = scale * (0.004f64 * 110.0).exp();
    assert!((bench.camera.points_per_pixel / expected - 1.0).abs() < 0.02);
    assert!(!bench.camera.follows_fit);
}

#[test]
fn drags_pan_and_set_contrast_and_keys_fit() {
    let mut bench = Bench::new(ramp(300, 400));
    bench.settle();
    let center = bench.camera.center;
    let scale = bench.camera.points_per_pixel;
    bench.drag(pos2(200.0, 150.0), pos2(240.0, 130.0), PointerButton::Primary);
    assert!((bench.camera.center[0] - (center[0] - 40.0 / scale)).abs() < 1e-3);
    assert!((bench.camera.center[1] - (center[1] - 20.0 / scale)).abs() < 1e-3);
    bench.drag(pos2(200.0, 150.0), pos2(160.0, 170.0), PointerButton::Middle);
    assert!((bench.camera.center[0] - center[0]).abs() < 1e-3);

    let uploads = bench.view.uploads();
    bench.drag(pos2(200.0, 150.0), pos2(242.0, 50.0), PointerButton::Secondary);
    assert!(bench.display.bias > 0.55, "{}", bench.display.bias);
    assert!((bench.display.contrast - 1f64.exp()).abs() < 0.01, "{}", bench.display.contrast);
    assert!(bench.view.uploads() > uploads, "the colours did not change");
    for _ in 0..2 {
        bench.button(pos2(200.0, 150.0), PointerButton::Secondary, true);
        bench.frame();
        bench.button(pos2(200.0, 150.0), PointerButton::Secondary, false);
        bench.frame();
    }
    assert_eq!((bench.display.contrast, bench.display.bias), (1.0, 0.5));

    let press = |key| Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE };
    bench.window.event(press(Key::Num1));
    bench.settle();
    assert!((bench.camera.points_per_pixel - 1.0).abs() < 1e-12);
    bench.window.event(press(Key::Num0));
    bench.settle();
    assert!(bench.camera.follows_fit);
    assert_eq!(bench.camera.center, center);
}

#[test]
fn a_click_gives_its_pixel_and_a_double_click_fits() {
    let mut bench = Bench::new(ramp(30, 40));
    let response = bench.settle();
    bench.camera.follows_fit = false;
    let place = response.screen_from_pixel([10.0, 20.0]);
    bench.button(place, PointerButton::Primary, true);
    bench.frame();
    bench.button(place, PointerButton::Primary, false);
    let clicked = bench.frame().clicked.unwrap();
    assert!((clicked[0] - 10.0).abs() < 0.05 && (clicked[1] - 20.0).abs() < 0.05);
    bench.button(place, PointerButton::Primary, true);
    bench.frame();
    bench.button(place, PointerButton::Primary, false);
    assert!(bench.frame().clicked.is_none());
    assert!(bench.camera.follows_fit);
}

#[test]
fn a_large_image_uploads_only_what_is_seen() {
    let mut bench = Bench::new(ramp(3000, 5000));
    bench.settle();
    // Fitted into 420 points, 5000 pixels are shown at an eighth: one tile of 625 x 375.
    assert_eq!(bench.view.uploads(), 1);
    for _ in 0..5 {
        assert_eq!(bench.frame().uploads, 0);
    }
    // One to one around a corner of tiles: four tiles of the full level.
    bench.camera.one_to_one(1.0);
    bench.camera.center_on([2048.0, 1024.0]);
    bench.settle();
    assert_eq!(bench.view.uploads(), 5);
    // Panning within the same tiles costs nothing.
    bench.drag(pos2(200.0, 150.0), pos2(210.0, 140.0), PointerButton::Primary);
    bench.settle();
    assert_eq!(bench.view.uploads(), 5);
    let view = bench.frame().view;
    let here = bench.camera.pixel_from_screen(view, pos2(100.0, 100.0));
    bench.window.event(Event::PointerMoved(pos2(100.0, 100.0)));
    let expected = (1000.0 * here[1].round() + here[0].round()) as f32;
    assert_eq!(bench.settle().value, Some(expected));
    // Another colour map colours the visible tiles anew, no others.
    bench.display.color_map = "viridis".to_owned();
    bench.settle();
    assert_eq!(bench.view.uploads(), 9);
}

#[test]
fn no_frame_uploads_more_than_its_share() {
    let mut bench = Bench::new(ramp(3000, 5000));
    bench.window = Headless::new([5000.0, 3000.0], 1.0, Theme::Dark);
    let mut frames = 0;
    loop {
        let response = bench.frame();
        assert!(response.uploads <= UPLOADS_PER_FRAME);
        frames += 1;
        if !bench.wants_more {
            break;
        }
        assert!(frames < 20);
    }
    // Five by three tiles of the full level at eight a frame.
    assert_eq!(bench.view.uploads(), 15);
}

#[test]
fn new_pixels_are_shown_and_odd_images_do_no_harm() {
    let mut bench = Bench::new(Array2::from_elem((8, 8), 0.0));
    bench.display.limits = LimitsMode::Typed;
    let before = bench.settle();
    bench.source = ImageSource::new("test", Array2::from_elem((8, 8), 1.0));
    bench.settle();
    let middle = before.view.center();
    let picture = bench.window.picture().unwrap();
    assert_eq!(picture.pixel(middle.x as u32, middle.y as u32).unwrap()[0], 255);
    for image in [
        Array2::from_elem((0, 0), 0.0f32),
        Array2::from_elem((0, 7), 0.0),
        Array2::from_elem((1, 1), f32::NAN),
        Array2::from_elem((1, 3000), 2.0),
        Array2::from_elem((5, 5), f32::INFINITY),
    ] {
        bench.source = ImageSource::new("odd", image).arcsec_per_pixel(0.05);
        for axes in [false, true] {
            bench.display.axes = axes;
            bench.camera = Camera::default();
            bench.settle();
            bench.wheel(pos2(200.0, 100.0), 400.0);
        }
    }
}

#[test]
fn a_mask_tints_its_pixels_only() {
    let mut bench = Bench::new(Array2::from_elem((4, 4), 0.0));
    bench.display.limits = LimitsMode::Typed;
    let mut mask = Array2::from_elem((4, 4), false);
    mask[[3, 0]] = true;
    bench.mask = Some(Arc::new(mask));
    let response = bench.settle();
    let picture = bench.window.picture().unwrap();
    let at = |x: f64, y: f64| {
        let place = response.screen_from_pixel([x, y]);
        picture.pixel(place.x as u32, place.y as u32).unwrap()
    };
    assert_eq!(at(1.0, 3.0), [0, 0, 0, 255]);
    let tint = colors::mask_tint(Theme::Dark).to_array();
    assert_eq!(at(0.0, 3.0)[..3], tint[..3]);
}

#[test]
fn two_views_of_one_camera_move_together() {
    let mut window = Headless::new([600.0, 300.0], 1.0, Theme::Light);
    let sources = [ramp(50, 50), ramp(50, 50)].map(|image| ImageSource::new("twin", image));
    let mut views = [ImageView::default(), ImageView::default()];
    let mut display = Display::default();
    let mut camera = Camera::default();
    let mut places = [pos2(0.0, 0.0); 2];
    let mut run = |window: &mut Headless, camera: &mut Camera| {
        let mut probes = [pos2(0.0, 0.0); 2];
        window.settle(20, |ui| {
            ui.columns(2, |columns| {
                for i in 0..2 {
                    let source = &sources[i];
                    let overlays = Overlays::default();
                    let response = views[i].show(&mut columns[i], i, source, &mut display, camera, &overlays);
                    probes[i] = response.screen_from_pixel([20.0, 30.0]) - response.view.min.to_vec2();
                }
            });
        });
        places = probes;
        probes
    };
    run(&mut window, &mut camera);
    camera.points_per_pixel = 9.0;
    camera.follows_fit = false;
    let [left, right] = run(&mut window, &mut camera);
    assert!((left - right).length() < 1e-3);
}
