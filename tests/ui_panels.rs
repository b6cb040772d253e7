//! Promise: every registered panel shows its finished example, in both themes, on a laptop's window and on a small one.

use std::collections::BTreeSet;

use egui_kittest::kittest::{NodeT, Queryable};
use sextans::panels::{Command, PANELS};

use crate::ui_support::{THEMES, settle, sized, texts};

/// Different colours in a picture: a blank or broken panel has few.
fn colors(picture: &image::RgbaImage) -> usize {
    picture.pixels().map(|p| p.0).collect::<BTreeSet<_>>().len()
}

#[test]
fn every_panel_shows_its_example_in_both_themes() {
    let folder = tempfile::tempdir().unwrap();
    assert!(PANELS.iter().any(|p| p.study), "no study is registered");
    for panel in PANELS {
        let mut brightness = Vec::new();
        for (theme, size) in THEMES.into_iter().zip([[1366.0, 768.0], [1000.0, 640.0]]) {
            let mut harness = sized(folder.path(), size);
            harness.state_mut().set_theme(theme);
            harness.state_mut().send(Command::Example(panel.kind));
            settle(&mut harness);
            assert!(texts(&harness).is_empty(), "{}: {:?}", panel.kind, texts(&harness));
            let picture = harness.render().unwrap();
            assert!(colors(&picture) > 400, "{} {theme:?}: only {} colours", panel.kind, colors(&picture));
            let sum: u64 = picture.pixels().map(|p| u64::from(p.0[0]) + u64::from(p.0[1]) + u64::from(p.0[2])).sum();
            brightness.push(sum / u64::from(picture.width() * picture.height()));
        }
        assert!(brightness[1] > brightness[0] + 150, "{}: the light theme is not lighter: {brightness:?}", panel.kind);
    }
}

#[test]
fn every_panel_keeps_its_state_in_a_session() {
    let folder = tempfile::tempdir().unwrap();
    for panel in PANELS {
        let mut harness = sized(folder.path(), [1000.0, 640.0]);
        harness.state_mut().send(Command::OpenPanel(panel.kind));
        settle(&mut harness);
        let untouched = harness.state().session();
        assert!(untouched.views[0].state.is_object(), "{} saves nothing", panel.kind);
        // Turn the first switch or number of the inspector, so that there is something to remember.
        let switch = harness.query_all_by_role(egui::Role::CheckBox).next_back().unwrap();
        switch.click();
        settle(&mut harness);
        let session = harness.state().session();
        assert_eq!(session.views.len(), 1);
        assert_eq!(session.views[0].kind, panel.kind);
        let mut other = sized(folder.path(), [1000.0, 640.0]);
        other.state_mut().restore(&session);
        settle(&mut other);
        assert_eq!(other.state().session().to_text().unwrap(), session.to_text().unwrap(), "{}", panel.kind);
    }
}

#[test]
fn studies_stand_in_the_tree_and_open_with_a_click() {
    for panel in PANELS.iter().filter(|p| p.study) {
        let folder = tempfile::tempdir().unwrap();
        let mut harness = sized(folder.path(), [1366.0, 768.0]);
        settle(&mut harness);
        // On the welcome page, which is gone when something is open, and in the tree.
        let buttons = harness.query_all_by_label(panel.title).count();
        assert!(buttons >= 2, "{}: {buttons}", panel.title);
        harness.query_all_by_label(panel.title).next().unwrap().click();
        settle(&mut harness);
        assert!(harness.state().session().views.iter().any(|v| v.kind == panel.kind));
    }
}

/// Controls on the screen: anything that a user can act on.
fn controls(harness: &egui_kittest::Harness<'_, sextans::app::Workbench>) -> Vec<(String, egui::Rect, bool)> {
    let root = harness.root();
    root.children_recursive()
        .filter(|n| egui::accessibility::is_input(n.accesskit_node().role()) && !n.accesskit_node().is_disabled())
        .filter(|n| n.accesskit_node().raw_bounds().is_some())
        .map(|n| {
            let name = n.accesskit_node().label().unwrap_or_default();
            (format!("{:?} {name}", n.accesskit_node().role()), n.rect(), n.is_focused())
        })
        .collect()
}

#[test]
fn every_panel_fits_a_laptop_names_its_controls_and_is_reached_by_tab() {
    let folder = tempfile::tempdir().unwrap();
    for panel in PANELS {
        for theme in THEMES {
            let mut harness = sized(folder.path(), [1366.0, 768.0]);
            harness.state_mut().set_theme(theme);
            harness.state_mut().send(Command::OpenPanel(panel.kind));
            settle(&mut harness);
            let unnamed = harness.unnamed_widgets();
            assert!(unnamed.is_empty(), "{} {theme:?}: {unnamed:?}", panel.kind);
            // Nothing sticks out at the sides; what is too long for the window's height scrolls.
            for node in harness.root().children_recursive().filter(|n| n.accesskit_node().raw_bounds().is_some()) {
                let text = node.accesskit_node().label().or_else(|| node.value()).unwrap_or_default();
                let rect = node.rect();
                let outside = rect.is_positive() && (rect.left() < -1.0 || rect.right() > 1367.0);
                assert!(text.is_empty() || !outside, "{} {theme:?}: {text:?} lies at {rect:?}", panel.kind);
            }
            let state = harness.state().session();
            let again = (panel.make)(&state.views[0].state).save();
            assert_eq!(again, state.views[0].state, "{} does not keep its state", panel.kind);
            if theme == THEMES[0] {
                reached_by_tab(&mut harness, panel.kind);
            }
        }
    }
}

/// Presses Tab until the focus comes round, and finds that it was everywhere.
fn reached_by_tab(harness: &mut egui_kittest::Harness<'_, sextans::app::Workbench>, kind: &str) {
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let all: Vec<String> = controls(harness).into_iter().map(|(name, ..)| name).collect();
    for _ in 0..all.len() + 40 {
        harness.key_press(egui::Key::Tab);
        harness.step();
        reached.extend(controls(harness).into_iter().filter(|(.., focused)| *focused).map(|(name, ..)| name));
    }
    let missed: BTreeSet<&String> = all.iter().filter(|name| !reached.contains(*name)).collect();
    assert!(missed.is_empty(), "{kind}: Tab does not reach {missed:?}; it reaches {reached:?}");
}
