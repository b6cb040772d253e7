//! Pictures without a display: text reads in both themes, the same input gives the same bytes, records travel along.

use std::io::Cursor;

use egui::Theme;
use sextans::plots::headless::Headless;
use sextans::plots::histogram::Histogram;
use sextans::plots::line_plot::{LinePlot, Series, SeriesStyle};
use sextans::plots::picture::{Picture, read_record};

fn picture(theme: Theme, scale: f32, text: &str) -> Picture {
    let mut window = Headless::new([300.0, 120.0], scale, theme);
    assert!(window.settle(10, |ui| {
        ui.heading(text);
        ui.label("σ ″ χ² ⟨κ⟩");
    }));
    window.picture().expect("a picture of this size")
}

/// Pixels that differ from the top right corner, where nothing is drawn, by more than half of the range.
fn strong_pixels(picture: &Picture) -> usize {
    let ground = picture.pixel(picture.width() - 1, 0).expect("a corner");
    picture.rgba().chunks_exact(4).filter(|p| p[0].abs_diff(ground[0]) > 100).count()
}

#[test]
fn text_reads_in_both_themes_and_grows_with_the_scale() {
    for theme in [Theme::Dark, Theme::Light] {
        let small = picture(theme, 1.0, "Convergence");
        assert_eq!((small.width(), small.height()), (300, 120));
        let ink = strong_pixels(&small);
        assert!(ink > 150, "{theme:?}: {ink}");
        assert!(ink > strong_pixels(&picture(theme, 1.0, "")) + 80);
        let large = picture(theme, 2.0, "Convergence");
        assert_eq!((large.width(), large.height()), (600, 240));
        assert!(strong_pixels(&large) > 2 * ink);
    }
}

#[test]
fn the_same_frames_give_the_same_bytes() {
    let [a, b] = [(); 2].map(|()| picture(Theme::Dark, 1.5, "Again"));
    assert_eq!(a, b);
    assert_ne!(a, picture(Theme::Dark, 1.5, "Other"));
}

#[test]
fn plots_draw_their_series_and_take_any_numbers() {
    let wave: Vec<[f64; 2]> = (0..500).map(|i| [f64::from(i), (f64::from(i) * 0.05).sin()]).collect();
    let wild = [[0.0, f64::NAN], [f64::INFINITY, 1.0], [1.0, -3.0], [2.0, 1e300], [3.0, 1e-300]];
    let errors = [0.1, f64::NAN, 1.0, 2.0, 3.0];
    let ink = |series: &[[f64; 2]], log_y: bool| {
        let mut window = Headless::new([400.0, 250.0], 1.0, Theme::Dark);
        window.settle(30, |ui| {
            LinePlot::new("test")
                .x("channel", "")
                .y("flux", "Jy")
                .log_y(log_y)
                .series(Series::new("data", series).color(egui::Color32::RED))
                .series(Series::new("points", &wild).errors(&errors).style(SeriesStyle::Points))
                .show(ui, "plot");
        });
        let picture = window.picture().unwrap();
        let red = |p: &&[u8]| p[0] > 150 && p[1] < 90 && p[2] < 90;
        picture.rgba().chunks_exact(4).filter(red).count()
    };
    assert!(ink(&wave, false) > 100);
    assert!(ink(&[], false) < 40);
    assert!(ink(&wave, true) > 40);
}

#[test]
fn a_histogram_of_nothing_is_a_picture_too() {
    for values in [vec![], vec![f32::NAN; 4], vec![0.5; 1000]] {
        for log_y in [false, true] {
            let histogram = Histogram::of_residuals(&values);
            let mut window = Headless::new([300.0, 200.0], 1.0, Theme::Light);
            window.settle(30, |ui| {
                histogram.show(ui, "histogram", "residual", "σ", true, log_y);
            });
            assert!(strong_pixels(&window.picture().unwrap()) > 50);
        }
    }
}

#[test]
fn a_picture_carries_its_record() {
    let record = "{\"task\":\"line_ratios.fit\",\"seed\":7}";
    let png = picture(Theme::Dark, 1.0, "Record").to_png(Some(record), &[]).unwrap();
    assert_eq!(read_record(Cursor::new(&png)).unwrap().as_deref(), Some(record));
    assert!(png.len() < 30_000);
}
