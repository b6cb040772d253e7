//! DS9 region files as they are: every byte is kept, and only the shapes that are changed are written anew.

use super::number::{angle, position, size, size_text};
use super::{Region, Shape, System};

/// What DS9 writes above its regions.
const HEAD: &str = "# Region file format: DS9 version 4.1";
/// The system of a file that names none.
const DEFAULT: System = System::Physical;
/// Bytes that are no UTF-8 stand as these signs in the text: byte 0x80 is the first.
const STRAY: u32 = 0xF780;

/// A region file: its text in pieces, of which some are regions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegionFile {
    pieces: Vec<Piece>,
}

/// A stretch of the text up to and with the sign that ends it: a line break, or a semicolon.
#[derive(Debug, Clone, PartialEq)]
struct Piece {
    body: Body,
    end: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Body {
    Kept(String),
    Region {
        /// Before the shape: spaces and the sign.
        before: String,
        /// `circle(1,2,3)`.
        shape_text: String,
        /// Behind the shape: `# color=red`.
        after: String,
        region: Box<Region>,
    },
}

impl Body {
    fn write(&self, out: &mut String) {
        match self {
            Self::Kept(text) => out.push_str(text),
            Self::Region { before, shape_text, after, .. } => {
                [before, shape_text, after].iter().for_each(|t| out.push_str(t));
            }
        }
    }
}

impl RegionFile {
    /// Reads the text of a file. Nothing is refused: what is no region is kept as it is.
    pub fn parse(text: &str) -> Self {
        let mut state = State { system: Some(DEFAULT), color: None };
        let pieces = split(text).into_iter().map(|(text, end)| Piece { body: state.body(text), end: end.to_owned() });
        Self { pieces: pieces.collect() }
    }

    /// Reads the bytes of a file; those that are no UTF-8 come back as they were from [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            let stray = |b: &u8| char::from_u32(STRAY + u32::from(*b) - 0x80);
            text.extend(chunk.invalid().iter().filter_map(stray));
        }
        Self::parse(&text)
    }

    /// The text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            piece.body.write(&mut text);
            text.push_str(&piece.end);
        }
        text
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for c in self.to_text().chars() {
            match u32::from(c).checked_sub(STRAY).and_then(|n| u8::try_from(n + 0x80).ok()) {
                Some(byte) => bytes.push(byte),
                None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        bytes
    }

    /// True when there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The regions, in the order of the file.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.pieces.iter().filter_map(|piece| match &piece.body {
            Body::Region { region, .. } => Some(region.as_ref()),
            Body::Kept(_) => None,
        })
    }

    /// Number of regions.
    pub fn count(&self) -> usize {
        self.regions().count()
    }

    /// Lines that look like regions and are not understood (texts, lines, composites, other systems): kept, not shown.
    pub fn not_understood(&self) -> usize {
        self.pieces.iter().filter(|p| matches!(&p.body, Body::Kept(text) if looks_like_region(text))).count()
    }

    fn place(&self, number: usize) -> Option<usize> {
        let is_region = |(_, piece): &(usize, &Piece)| matches!(piece.body, Body::Region { .. });
        self.pieces.iter().enumerate().filter(is_region).nth(number).map(|(place, _)| place)
    }

    /// Gives a region another shape, in its own system; sign, properties and everything around it stay.
    pub fn set_shape(&mut self, number: usize, shape: Shape) {
        let Some(place) = self.place(number) else { return };
        if let Body::Region { shape_text, region, .. } = &mut self.pieces[place].body
            && region.shape != shape
        {
            *shape_text = text_of(&shape, region.system);
            region.shape = shape;
        }
    }

    /// Counts the pixels of a region in, or takes them out of all others.
    pub fn set_include(&mut self, number: usize, include: bool) {
        let Some(place) = self.place(number) else { return };
        if let Body::Region { before, region, .. } = &mut self.pieces[place].body
            && region.include != include
        {
            region.include = include;
            let plain = before.trim_end_matches(['+', '-']).to_owned();
            *before = if include { plain } else { plain + "-" };
        }
    }

    /// Adds a region at the end and gives its number. `label` becomes its `text` property.
    pub fn add(&mut self, system: System, shape: Shape, label: Option<&str>) -> usize {
        if self.pieces.is_empty() {
            self.keep(HEAD);
        }
        if let Some(last) = self.pieces.last_mut().filter(|p| p.end.is_empty()) {
            last.end.push('\n');
        }
        if self.system_at_end() != Some(system) {
            self.keep(system.word());
        }
        // A brace within would end the text early.
        let label = label.map(|l| l.replace(['{', '}', '\n', '\r'], " ").trim().to_owned()).filter(|l| !l.is_empty());
        let after = label.as_ref().map_or_else(String::new, |l| format!(" # text={{{l}}}"));
        let region = Region { system, include: true, color: self.color_at_end(), label, shape };
        let body = Body::Region {
            before: String::new(),
            shape_text: text_of(&region.shape, system),
            after,
            region: Box::new(region),
        };
        self.pieces.push(Piece { body, end: "\n".into() });
        self.count() - 1
    }

    /// Adds a copy of a region with another shape (in the same system) behind it: sign and properties are the same.
    pub fn duplicate(&mut self, number: usize, shape: Shape) -> Option<usize> {
        let place = self.place(number)?;
        let mut piece = self.pieces[place].clone();
        if let Body::Region { shape_text, region, .. } = &mut piece.body {
            *shape_text = text_of(&shape, region.system);
            region.shape = shape;
        }
        if self.pieces[place].end.is_empty() {
            self.pieces[place].end.push('\n');
        }
        // Behind a semicolon the properties of the first would belong to the second.
        if self.pieces[place].end == ";" {
            piece.end = ";".into();
        }
        self.pieces.insert(place + 1, piece);
        Some(number + 1)
    }

    /// Takes a region out.
    pub fn remove(&mut self, number: usize) {
        let Some(place) = self.place(number) else { return };
        let gone = self.pieces.remove(place);
        // `fk5;circle(1,2,3)` and its line break: the line break stays.
        if gone.end != ";"
            && let Some(before) = place.checked_sub(1).and_then(|p| self.pieces.get_mut(p))
            && before.end.trim_end_matches([' ', '\t']) == ";"
        {
            before.end = gone.end;
        }
    }

    fn keep(&mut self, text: &str) {
        self.pieces.push(Piece { body: Body::Kept(text.to_owned()), end: "\n".into() });
    }

    fn state_at_end(&self) -> State {
        let mut state = State { system: Some(DEFAULT), color: None };
        for piece in &self.pieces {
            if let Body::Kept(text) = &piece.body {
                state.note(text);
            }
        }
        state
    }

    fn system_at_end(&self) -> Option<System> {
        self.state_at_end().system
    }

    fn color_at_end(&self) -> Option<String> {
        self.state_at_end().color
    }
}

/// What earlier lines say about later ones.
struct State {
    /// `None` for systems that are not understood.
    system: Option<System>,
    color: Option<String>,
}

impl State {
    /// A line that is no region may be a system or the global properties.
    fn note(&mut self, text: &str) {
        let word = text.trim().to_ascii_lowercase();
        if let Some(system) = system_of(&word) {
            self.system = system;
        } else if word.strip_prefix("global").is_some_and(|rest| rest.starts_with(char::is_whitespace))
            && let Some(color) = property(text, "color")
        {
            self.color = Some(color);
        }
    }

    fn body(&mut self, text: &str) -> Body {
        let kept = || Body::Kept(text.to_owned());
        self.note(text);
        let Some(system) = self.system else { return kept() };
        let signed = text.trim_start();
        let rest = signed.trim_start_matches(['+', '-']);
        let sign = &signed[..signed.len() - rest.len()];
        let before = &text[..text.len() - rest.len()];
        let end = rest.find('#').unwrap_or(rest.len());
        let shape_text = rest[..end].trim_end();
        let after = &rest[shape_text.len()..];
        let Some(shape) = parse_shape(shape_text, system).filter(Shape::is_sane) else { return kept() };
        let region = Region {
            system,
            shape,
            include: !sign.ends_with('-'),
            color: property(after, "color").or_else(|| self.color.clone()),
            label: property(after, "text"),
        };
        Body::Region {
            before: before.to_owned(),
            shape_text: shape_text.to_owned(),
            after: after.to_owned(),
            region: Box::new(region),
        }
    }
}

/// The system that a line names; `Some(None)` for one that is known and not understood.
fn system_of(word: &str) -> Option<Option<System>> {
    Some(match word {
        "image" => Some(System::Image),
        "physical" => Some(System::Physical),
        "fk5" | "j2000" => Some(System::Fk5),
        "icrs" => Some(System::Icrs),
        "galactic" => Some(System::Galactic),
        "fk4" | "b1950" | "ecliptic" | "linear" | "amplifier" | "detector" => None,
        _ if word.strip_prefix("wcs").is_some_and(|a| a.len() < 2 && a.bytes().all(|b| b.is_ascii_lowercase())) => None,
        _ => return None,
    })
}

/// The pieces of a text with the signs that end them. A semicolon ends a piece outside of braces and quotes; within
/// properties only where a shape or a system follows it.
fn split(text: &str) -> Vec<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut closing: Option<u8> = None;
    let mut in_properties = false;
    while at < bytes.len() {
        let byte = bytes[at];
        let line_end = byte == b'\n' || byte == b'\r';
        let cut = match closing {
            _ if line_end => true,
            Some(sign) => {
                if byte == sign {
                    closing = None;
                }
                false
            }
            None => {
                match byte {
                    b'{' if in_properties => closing = Some(b'}'),
                    b'"' | b'\'' if in_properties => closing = Some(byte),
                    b'#' => in_properties = true,
                    _ => {}
                }
                byte == b';' && (!in_properties || follows_a_command(&text[at + 1..]))
            }
        };
        if cut {
            let end = if byte == b'\r' && bytes.get(at + 1) == Some(&b'\n') { at + 2 } else { at + 1 };
            pieces.push((&text[start..at], &text[at..end]));
            (start, at, closing, in_properties) = (end, end, None, false);
        } else {
            at += 1;
        }
    }
    if start < bytes.len() {
        pieces.push((&text[start..], ""));
    }
    pieces
}

const SHAPES: [&str; 17] = [
    "circle",
    "ellipse",
    "box",
    "polygon",
    "annulus",
    "point",
    "line",
    "vector",
    "text",
    "ruler",
    "compass",
    "projection",
    "segment",
    "panda",
    "epanda",
    "bpanda",
    "rotbox",
];

fn first_word(text: &str) -> String {
    let text = text.trim_start().trim_start_matches(['+', '-']);
    text.chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

fn follows_a_command(text: &str) -> bool {
    let word = first_word(text);
    SHAPES.contains(&word.as_str()) || system_of(&word).is_some()
}

fn looks_like_region(text: &str) -> bool {
    let text = text.trim_start();
    // DS9 writes texts, vectors and the like behind a sign of a comment.
    SHAPES.contains(&first_word(text.strip_prefix('#').unwrap_or(text)).as_str())
}

/// The value of a property: `name=value`, `name={a value}`, `name="a value"`.
fn property(text: &str, name: &str) -> Option<String> {
    for (at, _) in text.match_indices(name) {
        let free = text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let rest = text[at + name.len()..].trim_start();
        let Some(value) = rest.strip_prefix('=').map(str::trim_start).filter(|_| free) else { continue };
        let quoted = |open: char, close: char| value.strip_prefix(open)?.split_once(close).map(|(v, _)| v.to_owned());
        let bare = || value.split(char::is_whitespace).next().map(str::to_owned);
        return quoted('{', '}').or_else(|| quoted('"', '"')).or_else(|| quoted('\'', '\'')).or_else(bare);
    }
    None
}

/// A shape from its word and numbers, with or without parentheses.
fn parse_shape(text: &str, system: System) -> Option<Shape> {
    let word = first_word(text);
    let rest = text.get(word.len()..)?.trim();
    let inner = match rest.strip_prefix('(') {
        Some(inner) => inner.strip_suffix(')')?,
        None => rest,
    };
    if inner.contains(['(', ')', '|', '&']) {
        return None; // parts of a composite
    }
    let words: Vec<&str> = inner.split([',', ' ', '\t']).filter(|w| !w.is_empty()).collect();
    let place = |at: usize| -> Option<[f64; 2]> {
        Some([position(words.get(at)?, system, 0)?, position(words.get(at + 1)?, system, 1)?])
    };
    let sizes =
        |at: usize| -> Option<[f64; 2]> { Some([size(words.get(at)?, system)?, size(words.get(at + 1)?, system)?]) };
    let turn = |at: usize| words.get(at).map_or(Some(0.0), |w| angle(w));
    match (word.as_str(), words.len()) {
        ("circle", 3) => Some(Shape::Circle { center: place(0)?, radius: size(words[2], system)? }),
        ("ellipse", 4 | 5) => Some(Shape::Ellipse { center: place(0)?, radii: sizes(2)?, angle_deg: turn(4)? }),
        ("box", 4 | 5) => Some(Shape::Box { center: place(0)?, size: sizes(2)?, angle_deg: turn(4)? }),
        ("polygon", n) if n >= 6 && n % 2 == 0 => {
            Some(Shape::Polygon { vertices: (0..n / 2).map(|i| place(2 * i)).collect::<Option<_>>()? })
        }
        ("annulus", n) if n >= 4 => {
            let radii = words[2..].iter().map(|w| size(w, system)).collect::<Option<_>>()?;
            Some(Shape::Annulus { center: place(0)?, radii })
        }
        ("point", 2) => Some(Shape::Point { center: place(0)? }),
        _ => None,
    }
}

/// A shape as DS9 writes it, with the digits that bring every number back.
fn text_of(shape: &Shape, system: System) -> String {
    let length = |v: f64| size_text(v, system);
    let [x, y] = shape.center();
    let mut words = vec![format!("{x}"), format!("{y}")];
    match shape {
        Shape::Circle { radius, .. } => words.push(length(*radius)),
        Shape::Ellipse { radii: sizes, angle_deg, .. } | Shape::Box { size: sizes, angle_deg, .. } => {
            words.extend([length(sizes[0]), length(sizes[1]), format!("{angle_deg}")]);
        }
        Shape::Polygon { vertices } => words = vertices.iter().flatten().map(|v| format!("{v}")).collect(),
        Shape::Annulus { radii, .. } => words.extend(radii.iter().map(|r| length(*r))),
        Shape::Point { .. } => {}
    }
    format!("{}({})", shape.kind().name(), words.join(","))
}

impl serde::Serialize for RegionFile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> serde::Deserialize<'de> for RegionFile {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
