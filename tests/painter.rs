//! The CPU painter in the harness of egui_kittest: interface tests draw without display, driver or GPU.

use egui_kittest::TestRenderer;
use image::RgbaImage;
use sextans::plots::colors;
use sextans::plots::soft::SoftPainter;

/// For `egui_kittest::Harness::builder().renderer(Painter::default())`.
#[derive(Default)]
pub struct Painter(SoftPainter);

impl TestRenderer for Painter {
    fn handle_delta(&mut self, delta: &mut egui::TexturesDelta) {
        self.0.update_textures(delta);
    }

    fn render(&mut self, ctx: &egui::Context, output: &egui::FullOutput) -> Result<RgbaImage, String> {
        let pixels_per_point = output.pixels_per_point;
        let size = ctx.content_rect().size() * pixels_per_point;
        let [width, height] = [size.x.round() as u32, size.y.round() as u32];
        let primitives = ctx.tessellate(output.shapes.clone(), pixels_per_point);
        let picture = self
            .0
            .paint([width, height], pixels_per_point, &primitives, colors::canvas(ctx.theme()))
            .map_err(|error| error.to_string())?;
        RgbaImage::from_raw(width, height, picture.into_rgba()).ok_or_else(|| "the picture has another size".to_owned())
    }
}

#[test]
fn a_harness_draws_with_it() {
    let mut harness =
        egui_kittest::Harness::builder().with_size([200.0, 100.0]).renderer(Painter::default()).build_ui(|ui| {
            ui.heading("Sextans");
        });
    let picture = harness.render().expect("the painter draws");
    assert_eq!(picture.dimensions(), (200, 100));
    let ground = picture.get_pixel(199, 99)[0];
    let ink = picture.pixels().filter(|p| p[0].abs_diff(ground) > 80).count();
    assert!(ink > 60, "{ink}");
}
