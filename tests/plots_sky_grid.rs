//! The grid of sky coordinates: over every projection its lines lie where they say, and a pan does not make them anew.

use std::sync::Arc;

use egui::{Pos2, pos2, vec2};
use sextans::data::{Header, PlaneWcs, Wcs};
use sextans::numerics::graticule::{Division, Fixed, SphereMap, graticule};
use sextans::plots::headless::Headless;
use sextans::plots::image_camera::Camera;
use sextans::plots::sky_grid::SkyGrid;

use crate::fits_support::data_folder;

/// A plane of the sky as the grid asks for it.
struct Sky<'a>(&'a PlaneWcs);

impl SphereMap for Sky<'_> {
    fn sphere(&self, pixel: [f64; 2]) -> Option<[f64; 2]> {
        self.0.sky_from_pixel(pixel)
    }
    fn pixel(&self, sphere: [f64; 2]) -> Option<[f64; 2]> {
        self.0.pixel_from_sky(sphere)
    }
}

#[test]
fn grids_over_every_projection_lie_where_they_say() {
    let Some(data) = data_folder("grids_over_every_projection_lie_where_they_say") else { return };
    let mut drawn = 0;
    let mut empty = Vec::new();
    for entry in std::fs::read_dir(data.join("wcs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "hdr") {
            continue;
        }
        let header = Header::from_lines(&std::fs::read(&path).unwrap());
        let Ok(Some(wcs)) = Wcs::from_header(&header) else { continue };
        let size = |key: &str| header.get_f64(key).filter(|n| *n >= 1.0).unwrap_or(192.0);
        let [width, height] = [size("NAXIS1"), size("NAXIS2")];
        let plane = PlaneWcs::new(Arc::new(wcs), &[height as usize, width as usize], 0);
        if !plane.shows_sky() {
            continue;
        }
        let divisions = [Division::Hours, Division::Degrees];
        let grid = graticule(&Sky(&plane), [-0.5, -0.5, width - 0.5, height - 0.5], divisions, 8);
        let diagonal = width.hypot(height);
        for line in &grid.lines {
            let finite: Vec<_> = line.points.iter().filter(|p| p[0].is_finite()).collect();
            for point in &finite {
                let [longitude, latitude] = plane.sky_from_pixel(**point).unwrap();
                let off = match line.fixed {
                    Fixed::Latitude => (latitude - line.value).abs(),
                    Fixed::Longitude => {
                        let turn = (longitude - line.value).rem_euclid(360.0);
                        turn.min(360.0 - turn) * latitude.to_radians().cos()
                    }
                };
                assert!(off < 2e-3, "{}: {line:?} is {off} degrees off at {point:?}", path.display());
            }
            // No line jumps across the picture where the map is cut open.
            for pair in line.points.windows(2) {
                let [a, b] = [pair[0], pair[1]];
                let inside = |p: [f64; 2]| p[0] > 0.0 && p[0] < width && p[1] > 0.0 && p[1] < height;
                let length = (a[0] - b[0]).hypot(a[1] - b[1]);
                assert!(
                    !(length > 0.5 * diagonal && inside(a) && inside(b))
                        || is_straight(&plane, a, b, line.fixed, line.value),
                    "{}: {:?} {} jumps from {a:?} to {b:?}",
                    path.display(),
                    line.fixed,
                    line.value
                );
            }
        }
        if grid.lines.is_empty() {
            empty.push(path.file_name().unwrap().to_string_lossy().into_owned());
        } else {
            drawn += 1;
        }
    }
    assert!(drawn > 90, "only {drawn} grids; none for {empty:?}");
}

/// True when the middle between two places lies on the line too.
fn is_straight(plane: &PlaneWcs, a: [f64; 2], b: [f64; 2], fixed: Fixed, value: f64) -> bool {
    let Some([longitude, latitude]) = plane.sky_from_pixel([0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])]) else {
        return false;
    };
    let turn = (longitude - value).rem_euclid(360.0);
    if fixed == Fixed::Latitude { (latitude - value).abs() < 0.1 } else { turn.min(360.0 - turn) < 0.1 }
}

#[test]
fn panning_over_the_grid_makes_its_lines_seldom() {
    let header = "CTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRVAL1  = 150.0\nCRVAL2  = 2.0\nCRPIX1  = 2048\n\
        CRPIX2  = 2048\nCDELT1  = -5.0E-5\nCDELT2  = 5.0E-5";
    let wcs = Wcs::from_header(&Header::from_lines(header.as_bytes())).unwrap().unwrap();
    let plane = PlaneWcs::new(Arc::new(wcs), &[4096, 4096], 0);
    let mut window = Headless::new([800.0, 600.0], 1.0, egui::Theme::Dark);
    let mut grid = SkyGrid::default();
    let mut camera =
        Camera { center: [2000.0, 2000.0], points_per_pixel: 1.0, follows_fit: false, ..Camera::default() };
    let mut shapes = 0;
    for _ in 0..100 {
        camera.pan(vec2(-5.0, 3.0));
        window.frame(|ui| {
            let view = ui.max_rect();
            grid.draw(&ui.painter_at(view), view, &camera, [4096, 4096], &plane, 1, &[]);
        });
        shapes += window.tessellate();
    }
    assert!(shapes > 100 * 500, "{shapes} vertices: is the grid drawn at all?");
    // 500 points of way, with a margin of 280 on the shorter axis: made a few times, not a hundred.
    assert!((1..=6).contains(&grid.made()), "{}", grid.made());
    // Zooming makes them again, a step of the wheel at a time does not.
    let before = grid.made();
    for _ in 0..10 {
        camera.zoom_at(egui::Rect::from_min_size(Pos2::ZERO, vec2(800.0, 600.0)), pos2(400.0, 300.0), 1.02);
        window.frame(|ui| {
            let view = ui.max_rect();
            grid.draw(&ui.painter_at(view), view, &camera, [4096, 4096], &plane, 1, &[]);
        });
    }
    assert!(grid.made() <= before + 1, "{} {before}", grid.made());
}
