//! Undo and redo: over what a session holds of the views (requests, display settings, which are open, how they lie),
//! not over pan, zoom, cursor, slice or jobs.
//!
//! The state is looked at after every frame in which something happened. While a button or key is held, or text is typed,
//! nothing is recorded, so that one drag is one step.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::{View, ViewId, Workbench};

/// Steps kept.
const LIMIT: usize = 100;
/// Frames that are looked at after the last event: layout settles in the second.
const FRAMES: u8 = 4;

/// One view in a snapshot.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    kind: &'static str,
    title: String,
    /// All that the panel saves.
    state: Value,
    /// The same without what undo leaves alone.
    essence: Value,
}

/// The views at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Snapshot {
    views: BTreeMap<ViewId, Kept>,
    layout: Value,
    /// The layout without which tab is in front.
    arrangement: Value,
}

impl Snapshot {
    /// True when undo has nothing to tell apart.
    fn same(&self, other: &Self) -> bool {
        self.arrangement == other.arrangement
            && self.views.len() == other.views.len()
            && self
                .views
                .iter()
                .zip(&other.views)
                .all(|((a, x), (b, y))| a == b && x.kind == y.kind && x.essence == y.essence)
    }
}

struct Step {
    name: String,
    /// The state on the far side of the step.
    state: Snapshot,
}

/// The steps that can be taken back, and those that were.
#[derive(Default)]
pub(super) struct History {
    past: VecDeque<Step>,
    future: Vec<Step>,
    now: Option<Snapshot>,
    /// What was seen in the last frame, if it differs from `now`.
    seen: Option<Snapshot>,
    /// Frames still to be looked at.
    look: u8,
    /// Differences are part of what was just put back, not a step.
    absorb: bool,
    /// What views do in their next turn is the user's doing.
    views_act: bool,
}

impl History {
    /// Looks at the next frames.
    pub(super) fn touch(&mut self) {
        self.look = FRAMES;
    }

    /// What comes next was put up as a whole: it is no step, and no step leads back behind it.
    pub(super) fn begin_anew(&mut self) {
        self.past.clear();
        self.future.clear();
        self.seen = None;
        self.absorb = true;
        self.look = FRAMES;
    }

    /// Views will carry out a command of the user in their next turn.
    pub(super) fn expect_views_to_act(&mut self) {
        self.views_act = true;
    }

    /// Whether views carry out a command in this turn.
    pub(super) fn views_act(&mut self) -> bool {
        std::mem::take(&mut self.views_act)
    }

    /// A panel changed its own state from `before` to `after` when results came in (limits of a cube that has been read,
    /// the images that there are to compare): no step, whatever the user does meanwhile.
    pub(super) fn panel_acted(&mut self, view: ViewId, before: &Value, after: &Value) {
        let kept = [&mut self.now, &mut self.seen].into_iter().flatten().filter_map(|s| s.views.get_mut(&view));
        for kept in kept {
            take_over(&mut kept.state, before, after);
            // What undo leaves alone is not in the essence and does not come in by this.
            take_over(&mut kept.essence, before, after);
        }
    }

    /// What undo and redo would do now.
    pub(super) fn names(&self) -> [Option<&str>; 2] {
        [self.past.back().map(|s| s.name.as_str()), self.future.last().map(|s| s.name.as_str())]
    }

    /// Takes what is on the screen; true when the next frame is to be looked at as well.
    fn see(&mut self, snapshot: Snapshot) -> bool {
        self.look = self.look.saturating_sub(1);
        let Some(now) = &self.now else {
            self.now = Some(snapshot);
            return false;
        };
        if self.absorb || now.same(&snapshot) {
            // Pan and zoom are kept up to date, so that a closed view comes back as it was.
            self.now = Some(snapshot);
            self.seen = None;
            self.absorb &= self.look > 0;
            return self.absorb;
        }
        if !self.seen.as_ref().is_some_and(|seen| seen.same(&snapshot)) {
            self.seen = Some(snapshot);
            self.look = self.look.max(2);
            return true;
        }
        self.seen = None;
        let name = step_name(now, &snapshot);
        let before = self.now.replace(snapshot);
        if let Some(state) = before {
            self.past.push_back(Step { name, state });
        }
        if self.past.len() > LIMIT {
            self.past.pop_front();
        }
        self.future.clear();
        false
    }

    /// Nobody touched anything: what differs is the program's doing (limits of a file that has been read, the outcome of a job).
    fn follow(&mut self, snapshot: Snapshot) {
        self.now = Some(snapshot);
        self.seen = None;
    }

    fn step(&mut self, back: bool) -> Option<(String, Snapshot)> {
        let step = if back { self.past.pop_back() } else { self.future.pop() }?;
        let now = self.now.take()?;
        let other = Step { name: step.name.clone(), state: now };
        if back {
            self.future.push(other);
        } else {
            self.past.push_back(other);
        }
        self.now = Some(step.state.clone());
        self.seen = None;
        self.absorb = true;
        self.look = FRAMES;
        Some((step.name, step.state))
    }
}

/// Makes in `target` the change that leads from `before` to `after`; names that `target` does not have stay out.
fn take_over(target: &mut Value, before: &Value, after: &Value) {
    if before == after {
        return;
    }
    match (target, before, after) {
        (Value::Object(target), Value::Object(before), Value::Object(after)) if before.keys().eq(after.keys()) => {
            for (name, new) in after {
                if let (Some(target), Some(old)) = (target.get_mut(name), before.get(name)) {
                    take_over(target, old, new);
                }
            }
        }
        (target, _, after) => *target = after.clone(),
    }
}

/// What changed, in a few words.
fn step_name(before: &Snapshot, after: &Snapshot) -> String {
    let only_in = |a: &Snapshot, b: &Snapshot| -> Vec<String> {
        a.views.iter().filter(|(id, _)| !b.views.contains_key(*id)).map(|(_, v)| v.title.clone()).collect()
    };
    match (only_in(after, before).as_slice(), only_in(before, after).as_slice()) {
        ([title], []) => return format!("open {title}"),
        ([], [title]) => return format!("close {title}"),
        ([], []) => {}
        (opened, closed) => return format!("{} views", opened.len().max(closed.len())),
    }
    for (id, new) in &after.views {
        if let Some(old) = before.views.get(id)
            && let Some(field) = first_difference(&old.essence, &new.essence)
        {
            return field.replace('_', " ").replace("color", "colour");
        }
    }
    "layout".to_owned()
}

/// Name of the first field that differs.
fn first_difference(a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        _ if a == b => None,
        (Value::Object(x), Value::Object(y)) => {
            let names = x.keys().chain(y.keys());
            names.into_iter().find_map(|name| {
                let (old, new) = (x.get(name).unwrap_or(&Value::Null), y.get(name).unwrap_or(&Value::Null));
                (old != new).then(|| match (old, new) {
                    (Value::Object(_), Value::Object(_)) => first_difference(old, new).unwrap_or_else(|| name.clone()),
                    _ => name.clone(),
                })
            })
        }
        _ => Some("setting".to_owned()),
    }
}

/// A layout without which tab is in front.
fn arrangement(layout: &Value) -> Value {
    match layout {
        Value::Object(map) => {
            let kept = map.iter().filter(|(name, _)| *name != "active");
            Value::Object(kept.map(|(name, value)| (name.clone(), arrangement(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(arrangement).collect()),
        other => other.clone(),
    }
}

/// A state without some of its top-level names.
fn without(state: &Value, names: &[&str]) -> Value {
    let mut rest = state.clone();
    if let Value::Object(map) = &mut rest {
        map.retain(|name, _| !names.contains(&name.as_str()));
    }
    rest
}

/// `target`, but with what stands under `names` in `now`.
fn with_passing(target: &Value, now: &Value, names: &[&str]) -> Value {
    let mut state = target.clone();
    if let (Value::Object(state), Value::Object(now)) = (&mut state, now) {
        for name in names {
            match now.get(*name) {
                Some(value) => drop(state.insert((*name).to_owned(), value.clone())),
                None => drop(state.remove(*name)),
            }
        }
    }
    state
}

impl Workbench {
    fn snapshot(&self) -> Snapshot {
        let layout = serde_json::to_value(&self.tree).unwrap_or_default();
        let kept = |view: &View| {
            let state = view.panel.save();
            let essence = without(&state, view.panel.passing());
            Kept { kind: view.kind, title: view.panel.title(), state, essence }
        };
        let views = self.views.iter().map(|(id, view)| (*id, kept(view))).collect();
        Snapshot { views, arrangement: arrangement(&layout), layout }
    }

    /// Looks whether something has changed that undo would take back; call at the end of each frame.
    pub(super) fn keep_history(&mut self, ctx: &egui::Context) {
        let (acted, held) =
            ctx.input(|i| (i.events.iter().any(is_act), i.pointer.any_down() || !i.keys_down.is_empty()));
        if acted || self.history.now.is_none() {
            self.history.touch();
        }
        if held || (ctx.text_edit_focused() && !self.history.absorb) {
            return;
        }
        let snapshot = self.snapshot();
        self.note_mentioned_paths(snapshot.views.iter().map(|(id, kept)| (*id, &kept.state)));
        if self.history.look == 0 {
            self.history.follow(snapshot);
        } else if self.history.see(snapshot) {
            ctx.request_repaint();
        }
    }

    /// Takes the last step back, or does it again.
    pub(super) fn step_history(&mut self, back: bool) {
        if let Some((_, snapshot)) = self.history.step(back) {
            self.put_back(&snapshot);
        }
    }

    fn put_back(&mut self, snapshot: &Snapshot) {
        let gone: Vec<ViewId> = self.views.keys().filter(|id| !snapshot.views.contains_key(*id)).copied().collect();
        for id in gone {
            self.drop_view(id);
        }
        for (id, kept) in &snapshot.views {
            let state = match self.views.get(id).filter(|open| open.kind == kept.kind) {
                Some(open) => {
                    let now = open.panel.save();
                    let wanted = with_passing(&kept.state, &now, open.panel.passing());
                    if wanted == now {
                        continue;
                    }
                    wanted
                }
                None => kept.state.clone(),
            };
            self.set_view(*id, kept.kind, &state);
        }
        if serde_json::to_value(&self.tree).unwrap_or_default() != snapshot.layout {
            self.restore_layout(&snapshot.layout);
        }
        if !self.focused.is_some_and(|id| self.views.contains_key(&id)) {
            self.focused = self.views.keys().last().copied();
        }
    }

    /// Gives a view a state: the panel takes it over if it can, so that what it has loaded and what runs is kept; else it is made anew.
    pub(super) fn set_view(&mut self, id: ViewId, kind: &str, state: &Value) {
        if let Some(open) = self.views.get_mut(&id)
            && open.kind == kind
            && open.panel.restore(state)
        {
            return;
        }
        let Some(entry) = crate::panels::entry(kind) else { return };
        self.drop_view(id);
        self.views.insert(id, View::new(entry, state));
    }
}

/// Whether the user does something with it; a pointer that moves over the window does nothing.
fn is_act(event: &egui::Event) -> bool {
    use egui::Event;
    !matches!(
        event,
        Event::PointerMoved(_) | Event::MouseMoved(_) | Event::PointerGone | Event::WindowFocused(_) | Event::Copy
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn snapshot(state: &Value) -> Snapshot {
        let essence = without(state, &["camera"]);
        let kept = Kept { kind: "image", title: "a.fits".into(), state: state.clone(), essence };
        Snapshot { views: BTreeMap::from([(1, kept)]), layout: Value::Null, arrangement: Value::Null }
    }

    /// What is on the screen for two frames is settled.
    fn settled(history: &mut History, state: &Value) {
        history.touch();
        while history.see(snapshot(state)) {}
    }

    #[test]
    fn a_step_has_a_name_and_camera_moves_are_none() {
        let mut history = History::default();
        settled(&mut history, &json!({"camera": 1, "display": {"color_map": "gray"}}));
        settled(&mut history, &json!({"camera": 2, "display": {"color_map": "gray"}}));
        assert_eq!(history.names(), [None, None]);
        settled(&mut history, &json!({"camera": 2, "display": {"color_map": "inferno"}}));
        assert_eq!(history.names(), [Some("colour map"), None]);
        // What the program does by itself is no step.
        history.follow(snapshot(&json!({"camera": 2, "display": {"color_map": "inferno", "limits": 1}})));
        assert_eq!(history.names(), [Some("colour map"), None]);
        let (_, back) = history.step(true).unwrap();
        assert_eq!(back.views[&1].state["display"]["color_map"], "gray");
        assert_eq!(history.names(), [None, Some("colour map")]);
        let (_, again) = history.step(false).unwrap();
        assert_eq!(again.views[&1].state["display"]["color_map"], "inferno");
    }

    #[test]
    fn only_so_many_steps_are_kept_and_a_new_one_ends_redo() {
        let mut history = History::default();
        for i in 0..=LIMIT + 20 {
            settled(&mut history, &json!({ "i": i }));
        }
        assert_eq!(history.past.len(), LIMIT);
        history.step(true).unwrap();
        history.absorb = false;
        settled(&mut history, &json!({"i": "other"}));
        assert!(history.future.is_empty());
    }

    #[test]
    fn what_a_panel_does_by_itself_is_no_step_even_while_the_user_acts() {
        let mut history = History::default();
        settled(&mut history, &json!({"camera": 1, "display": {"limits": "zscale", "map": "gray"}}));
        let before = json!({"camera": 1, "display": {"limits": "zscale", "map": "red"}});
        let after = json!({"camera": 2, "display": {"limits": "99 %", "map": "red"}});
        history.panel_acted(1, &before, &after);
        settled(&mut history, &json!({"camera": 2, "display": {"limits": "99 %", "map": "gray"}}));
        assert_eq!(history.names(), [None, None]);
        // Redo stays as well.
        settled(&mut history, &json!({"camera": 2, "display": {"limits": "99 %", "map": "red"}}));
        history.step(true).unwrap();
        history.absorb = false;
        history.panel_acted(1, &after, &json!({"camera": 2, "display": {"limits": "95 %", "map": "gray"}}));
        settled(&mut history, &json!({"camera": 2, "display": {"limits": "95 %", "map": "gray"}}));
        assert_eq!(history.names(), [None, Some("map")]);
        history.begin_anew();
        assert_eq!(history.names(), [None, None]);
    }

    #[test]
    fn what_passes_stays_as_it_is_now() {
        let names: &[&str] = &["camera", "run"];
        let state = with_passing(&json!({"a": 1, "camera": 1, "run": "old"}), &json!({"a": 2, "camera": 5}), names);
        assert_eq!(state, json!({"a": 1, "camera": 5}));
    }
}
