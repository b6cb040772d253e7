//! Text of an interface as `<text>`: one element for each run of one font and colour in a row.

use std::fmt::Write as _;

use egui::epaint::TextShape;
use egui::text::{Galley, LayoutSection};
use egui::{Color32, FontFamily};

use super::{fill, number, rotation};

/// Writes the rows of a text.
pub(super) fn write(out: &mut String, shape: &TextShape) {
    let turn = rotation(shape.angle, shape.pos);
    let mut byte = 0;
    for row in &shape.galley.rows {
        let mut start = 0;
        let glyphs = &row.row.glyphs;
        while start < glyphs.len() {
            let section = section_at(&shape.galley, byte);
            let until = section.map_or(usize::MAX, |s| s.byte_range.end.0);
            let mut end = start;
            let mut text = String::new();
            while end < glyphs.len() && (byte < until || end == start) {
                text.push(glyphs[end].chr);
                byte += glyphs[end].chr.len_utf8();
                end += 1;
            }
            let (first, last) = (&glyphs[start], &glyphs[end - 1]);
            let x = shape.pos.x + row.pos.x + first.pos.x;
            let y = shape.pos.y + row.pos.y + first.pos.y;
            let run = Run {
                text: &text,
                x,
                y,
                width: last.max_x() - first.pos.x,
                ascent: first.font_ascent,
                height: first.line_height,
            };
            run.write(out, shape, section, &turn);
            start = end;
        }
        if row.ends_with_newline {
            byte += 1;
        }
    }
}

fn section_at(galley: &Galley, byte: usize) -> Option<&LayoutSection> {
    let sections = &galley.job.sections;
    sections.iter().find(|s| (s.byte_range.start.0..s.byte_range.end.0).contains(&byte)).or_else(|| sections.last())
}

struct Run<'a> {
    text: &'a str,
    x: f32,
    /// Of the baseline.
    y: f32,
    width: f32,
    ascent: f32,
    height: f32,
}

impl Run<'_> {
    fn write(&self, out: &mut String, shape: &TextShape, section: Option<&LayoutSection>, turn: &str) {
        let Some(format) = section.map(|s| &s.format) else { return };
        let seen = |color: Color32| {
            let color = if color == Color32::PLACEHOLDER { shape.fallback_color } else { color };
            color.gamma_multiply(shape.opacity_factor)
        };
        if format.background != Color32::TRANSPARENT {
            let _infallible = writeln!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}{turn}/>",
                number(self.x),
                number(self.y - self.ascent),
                number(self.width),
                number(self.height),
                fill(seen(format.background))
            );
        }
        if self.text.trim().is_empty() {
            return;
        }
        let (family, weight) = match format.font_id.family {
            FontFamily::Monospace => ("Hack, 'DejaVu Sans Mono', 'Liberation Mono', monospace", ""),
            // Those next to the window's own in width first.
            _ => (
                "Ubuntu, 'Ubuntu Sans', 'Noto Sans', 'Open Sans', 'Liberation Sans', Arial, 'DejaVu Sans Condensed', 'DejaVu Sans', sans-serif",
                " font-weight=\"300\"",
            ),
        };
        let style = if format.italics { " font-style=\"italic\"" } else { "" };
        let underlined = format.underline.width > 0.0 || shape.underline.width > 0.0;
        let decoration = match (underlined, format.strikethrough.width > 0.0) {
            (true, _) => " text-decoration=\"underline\"",
            (_, true) => " text-decoration=\"line-through\"",
            _ => "",
        };
        let color = seen(shape.override_text_color.unwrap_or(format.color));
        // A single letter has no space to stretch.
        let length = if self.text.chars().count() > 1 {
            format!(" text-anchor=\"middle\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"", number(self.width))
        } else {
            String::new()
        };
        // About its middle, so that a font of another width sticks out alike on both sides.
        let x = if length.is_empty() { self.x } else { self.x + 0.5 * self.width };
        let _infallible = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" font-family=\"{family}\"{weight}{style}{decoration} font-size=\"{}\"{}{length}{turn} \
             xml:space=\"preserve\">{}</text>",
            number(x),
            number(self.y),
            number(format.font_id.size),
            fill(color),
            escaped(self.text)
        );
    }
}

/// Text between tags: the signs of XML escaped, those that it forbids left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}
