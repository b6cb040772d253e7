//! A form for any request, made from its schema: one row a field, grouped by prefix, with units, ranges and help.

use egui::{DragValue, Grid, RichText, Slider, Ui};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::tasks::{Field, FieldKind};

/// Draws the fields of a request that `wanted` lets through; true when one was changed.
///
/// `request` is the JSON object of the request; `fields` comes from [`crate::tasks::fields`].
/// Numbers with two bounds are sliders, or, with `compact`, draggable numbers.
fn request_ui(
    ui: &mut Ui,
    id: &str,
    request: &mut Value,
    fields: &[Field],
    compact: bool,
    wanted: impl Fn(&Field) -> bool,
) -> bool {
    let mut changed = false;
    let mut group: Option<String> = None;
    let wanted: Vec<&Field> = fields.iter().filter(|f| wanted(f)).collect();
    let mut start = 0;
    while start < wanted.len() {
        let prefix = prefix_of(&wanted[start].name);
        let end = wanted[start..].iter().position(|f| prefix_of(&f.name) != prefix).map_or(wanted.len(), |n| start + n);
        if group.as_deref() != Some(prefix) && !prefix.is_empty() {
            ui.add_space(4.0);
            ui.label(RichText::new(titled(prefix)).strong());
        }
        group = Some(prefix.to_owned());
        Grid::new((id, start)).num_columns(2).spacing([8.0, 4.0]).show(ui, |ui| {
            for field in &wanted[start..end] {
                changed |= row_ui(ui, request, field, compact);
                ui.end_row();
            }
        });
        start = end;
    }
    changed
}

fn prefix_of(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(p, _)| p)
}

/// `mask_outer_radius_arcsec` in `arcsec` -> `mask outer radius`.
fn label_of(field: &Field) -> String {
    let last = field.name.rsplit('.').next().unwrap_or(&field.name);
    let unit_suffix = match field.unit.as_str() {
        "arcsec" => "_arcsec",
        "deg" => "_deg",
        "km/s" => "_km_s",
        _ => "",
    };
    titled(last.strip_suffix(unit_suffix).unwrap_or(last))
}

/// `psf_fwhm` -> `PSF FWHM`, `x` -> `x`, `axis_ratio` -> `Axis ratio`.
fn titled(name: &str) -> String {
    let words: Vec<String> = name
        .split(['_', '.'])
        .map(|word| if matches!(word, "psf" | "fwhm" | "snr") { word.to_uppercase() } else { word.to_owned() })
        .collect();
    let text = words.join(" ");
    if text.len() == 1 { text } else { capital(&text) }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn spaced(name: &str) -> String {
    name.replace(['_', '.'], " ")
}

fn row_ui(ui: &mut Ui, request: &mut Value, field: &Field, compact: bool) -> bool {
    let label = label_of(field);
    let help = if field.help.is_empty() { field.name.clone() } else { format!("{}\n{}", field.help, field.name) };
    let name = ui.label(&label).on_hover_text(&help);
    let Some(place) = place_of(request, &field.name) else {
        ui.label("–");
        return false;
    };
    let mut changed = false;
    ui.horizontal(|ui| {
        if field.optional {
            let mut given = !place.is_null();
            let tick = ui.checkbox(&mut given, "").on_hover_text("Give a value, or leave it to the program");
            tick.widget_info(|| {
                egui::WidgetInfo::selected(egui::Role::CheckBox, true, given, format!("{label} given"))
            });
            if tick.changed() {
                *place = if given { start_value(field) } else { Value::Null };
                changed = true;
            }
            if place.is_null() {
                ui.weak("not given");
                return;
            }
        }
        changed |= value_ui(ui, place, field, compact, name.id);
        if !field.unit.is_empty() {
            ui.weak(&field.unit);
        }
    });
    changed
}

fn start_value(field: &Field) -> Value {
    match &field.kind {
        FieldKind::Number { min, max } => {
            let value = match (min, max) {
                _ if field.start.is_some() => field.start.unwrap_or_default(),
                (Some(a), Some(b)) if field.logarithmic && *a > 0.0 => (a * b).sqrt(),
                (Some(a), Some(b)) => 0.5 * (a + b),
                (Some(a), None) => a.max(1.0),
                (None, Some(b)) => b.min(1.0),
                (None, None) => 1.0,
            };
            Value::from(value)
        }
        FieldKind::Integer { min, .. } => Value::from(min.unwrap_or(0).max(0)),
        FieldKind::Bool => Value::Bool(false),
        FieldKind::Choice(names) => Value::String(names.first().cloned().unwrap_or_default()),
        FieldKind::Input | FieldKind::Text => Value::String(String::new()),
        FieldKind::Json => Value::Null,
    }
}

fn value_ui(ui: &mut Ui, place: &mut Value, field: &Field, compact: bool, label: egui::Id) -> bool {
    match &field.kind {
        FieldKind::Number { min, max } => {
            let mut number = place.as_f64().unwrap_or(0.0);
            let response = match (min, max) {
                (Some(a), Some(b)) if !compact => {
                    ui.add(Slider::new(&mut number, *a..=*b).logarithmic(field.logarithmic && *a > 0.0).max_decimals(4))
                }
                _ => {
                    let range = min.unwrap_or(f64::NEG_INFINITY)..=max.unwrap_or(f64::INFINITY);
                    // 1e-17 is a usual flux: shown in scientific notation, and dragged in steps of its own size.
                    let speed = if number == 0.0 { 1e-3 } else { number.abs() * 0.01 };
                    let format = |v: f64, _: std::ops::RangeInclusive<usize>| crate::plots::axes::format_value(v, 5);
                    ui.add(DragValue::new(&mut number).range(range).speed(speed).custom_formatter(format))
                }
            };
            if response.labelled_by(label).changed() {
                *place = Value::from(number);
                return true;
            }
        }
        FieldKind::Integer { min, max } => {
            let mut number = place.as_i64().unwrap_or(0);
            let range = min.unwrap_or(i64::MIN)..=max.unwrap_or(i64::MAX);
            if ui.add(DragValue::new(&mut number).range(range).speed(0.1)).labelled_by(label).changed() {
                *place = Value::from(number);
                return true;
            }
        }
        FieldKind::Bool => {
            let mut yes = place.as_bool().unwrap_or(false);
            if ui.checkbox(&mut yes, "").labelled_by(label).changed() {
                *place = Value::Bool(yes);
                return true;
            }
        }
        FieldKind::Choice(names) => {
            let current = place.as_str().unwrap_or_default().to_owned();
            let mut picked = None;
            let combo = egui::ComboBox::from_id_salt(&field.name).selected_text(spaced(&current)).show_ui(ui, |ui| {
                for name in names {
                    if ui.selectable_label(*name == current, spaced(name)).clicked() {
                        picked = Some(name.clone());
                    }
                }
            });
            combo.response.labelled_by(label);
            if let Some(name) = picked.filter(|n| *n != current) {
                *place = Value::String(name);
                return true;
            }
        }
        FieldKind::Json => return json_ui(ui, place, field, label),
        FieldKind::Input => {
            let mut text = place.as_str().unwrap_or_default().to_owned();
            if super::path_field_ui(ui, label, &field.name, 110.0, &mut text) {
                *place = Value::String(text);
                return true;
            }
        }
        FieldKind::Text => {
            let mut text = place.as_str().unwrap_or_default().to_owned();
            if ui.add(egui::TextEdit::singleline(&mut text).desired_width(150.0)).labelled_by(label).changed() {
                *place = Value::String(text);
                return true;
            }
        }
    }
    false
}

/// A text that is being written where a list or structure belongs.
#[derive(Clone, Default)]
struct Draft {
    text: String,
    /// It was handed over as it stands, and what was said against it.
    answer: Option<Result<(), String>>,
}

/// The drafts of a window by field, and those handed over in the form that is being drawn.
#[derive(Clone, Default)]
struct Drafts {
    by_field: egui::IdMap<Draft>,
    handed_over: Vec<(egui::Id, String)>,
}

impl Drafts {
    fn with<T>(ui: &Ui, change: impl FnOnce(&mut Self) -> T) -> T {
        ui.data_mut(|d| change(d.get_temp_mut_or_default(egui::Id::unique("drafts of requests"))))
    }
}

/// As [`request_ui`], for a request of a known type: it changes only to what can be read.
///
/// # Errors
/// What is written in a field cannot be read, in one line; of that field `request` keeps what it had. The text stays in its field, and so does
/// the error, until it is mended or [`forget_drafts`] is called.
pub fn edit_request<T: Serialize + DeserializeOwned>(
    ui: &mut Ui,
    id: &str,
    request: &mut T,
    fields: &[Field],
    compact: bool,
    wanted: impl Fn(&Field) -> bool,
) -> Result<(), String> {
    let mut before = serde_json::to_value(&*request).map_err(|e| e.to_string())?;
    let mut value = before.clone();
    if !request_ui(ui, id, &mut value, fields, compact, wanted) {
        return Ok(());
    }
    let handed_over = Drafts::with(ui, |drafts| std::mem::take(&mut drafts.handed_over));
    let read = serde_json::from_value(value.clone()).map_err(|e| e.to_string());
    let answer = read.as_ref().map(|_: &T| ()).map_err(Clone::clone);
    Drafts::with(ui, |drafts| {
        for (id, _) in &handed_over {
            if let Some(draft) = drafts.by_field.get_mut(id) {
                draft.answer = Some(answer.clone());
            }
        }
    });
    let read = read.or_else(|_| {
        // What was changed elsewhere counts all the same.
        for (_, name) in &handed_over {
            if let (Some(place), Some(old)) = (place_of(&mut value, name), place_of(&mut before, name)) {
                *place = old.take();
            }
        }
        serde_json::from_value(value).map_err(|e| e.to_string())
    });
    *request = read?;
    answer
}

/// Gives up every text that is being written in a form: the fields show what the requests hold.
pub fn forget_drafts(ui: &Ui) {
    Drafts::with(ui, |drafts| *drafts = Drafts::default());
}

/// A list or structure as text. What is written is handed over as it is written, as text where it is not JSON: whoever reads the request
/// says what is wrong with it, and nothing runs with what stood there before.
fn json_ui(ui: &mut Ui, place: &mut Value, field: &Field, label: egui::Id) -> bool {
    let id = ui.make_persistent_id(("json", &field.name));
    let mut draft = Drafts::with(ui, |drafts| drafts.by_field.get(&id).cloned());
    let mut text = draft.as_ref().map_or_else(|| place.to_string(), |d| d.text.clone());
    let response = ui
        .vertical(|ui| {
            let edit = egui::TextEdit::singleline(&mut text).code_editor().lock_focus(false).desired_width(150.0);
            let response = ui.add(edit).labelled_by(label);
            if let Some(Draft { answer: Some(Err(problem)), .. }) = &draft {
                ui.add(egui::Label::new(RichText::new(problem).color(ui.visuals().error_fg_color)).wrap());
            }
            response
        })
        .inner;
    if response.changed() {
        draft = Some(Draft { text: text.clone(), answer: None });
    }
    let Some(draft) = draft else { return false };
    let accepted = matches!(draft.answer, Some(Ok(())));
    let finished = accepted && !response.has_focus();
    Drafts::with(ui, |drafts| {
        if finished {
            drafts.by_field.remove(&id);
        } else {
            drafts.by_field.insert(id, draft);
        }
        if !accepted {
            drafts.handed_over.push((id, field.name.clone()));
        }
    });
    if !accepted {
        *place = serde_json::from_str(&text).unwrap_or(Value::String(text));
    }
    !accepted
}

/// The value at a dotted path, made if it is missing.
fn place_of<'a>(request: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    let mut place = request;
    for part in path.split('.') {
        if place.is_null() {
            *place = Value::Object(serde_json::Map::new());
        }
        place = place.as_object_mut()?.entry(part.to_owned()).or_insert(Value::Null);
    }
    Some(place)
}
