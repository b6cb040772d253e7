//! Promises of the inspector of the lens study: what cannot be read is refused in words, and nothing runs with what stood there before.

use egui::{Key, Modifiers, Role};
use egui_kittest::kittest::{NodeT, Queryable};
use sextans::panels::Command;

use crate::ui_support::{Window, settle, sized, texts};

fn is_text(node: &egui_kittest::Node<'_>) -> bool {
    matches!(node.accesskit_node().role(), Role::TextInput | Role::MultilineTextInput)
}

/// Writes the satellites anew.
fn write(harness: &mut Window, text: &str) {
    harness.query_all_by_label("Satellites").find(is_text).unwrap().focus();
    harness.run_steps(1);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.query_all_by_label("Satellites").find(is_text).unwrap().type_text(text);
    settle(harness);
}

/// What is said of the satellites, beside their field and above the button; not what notices said of them before.
fn told_of_satellites(harness: &Window) -> Vec<String> {
    let noticed = texts(harness);
    harness
        .query_all_by_label_contains("satellites: ")
        .filter_map(|n| n.accesskit_node().label().or_else(|| n.value()))
        .filter(|line| !noticed.contains(line))
        .collect()
}

fn can_start(harness: &Window) -> bool {
    !harness.get_by_label("Start the fit").accesskit_node().is_disabled()
}

#[test]
fn satellites_that_cannot_be_read_are_refused_in_words_and_nothing_is_fitted() {
    let folder = tempfile::tempdir().unwrap();
    // High enough for the whole form with what is said in it.
    let mut harness = sized(folder.path(), [1366.0, 1100.0]);
    harness.state_mut().send(Command::OpenPanel("lens_reconstruction"));
    settle(&mut harness);
    harness.get_by_label("2  Run").click();
    settle(&mut harness);
    let satellites = |h: &Window| h.state().session().views[0].state["fit"]["satellites"].clone();
    write(&mut harness, "[[0.9, 0.7]]");
    assert_eq!(satellites(&harness), serde_json::json!([[0.9, 0.7]]));
    assert!(can_start(&harness));
    for (text, told) in [
        ("[[0.9, 0.7], [", "is no list"),
        ("[[0.9]]", "[0.9] is no satellite"),
        (r#"[[0.9, 0.7, "king"]]"#, "\"king\" is no kind of satellite"),
    ] {
        write(&mut harness, text);
        let lines = told_of_satellites(&harness);
        assert!(!lines.is_empty() && lines.iter().all(|l| l.contains(told) && !l.contains('\n')), "{text}: {lines:?}");
        assert!(lines[0].contains("expected a list such as"), "{lines:?}");
        assert!(!can_start(&harness), "{text}");
        // Nor by its key.
        harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
        settle(&mut harness);
        assert!(harness.query_by_label("Cancel").is_none() && !can_start(&harness));
    }
    write(&mut harness, r#"[[0.9, 0.7, "nfw"], [-1, 0.5]]"#);
    assert_eq!(satellites(&harness), serde_json::json!([[0.9, 0.7, "nfw"], [-1.0, 0.5]]));
    assert!(can_start(&harness) && told_of_satellites(&harness).is_empty());
    // Back to the defaults, whatever is written.
    write(&mut harness, "[[");
    harness.get_by_label("Defaults").click();
    settle(&mut harness);
    assert_eq!(satellites(&harness), serde_json::json!([]));
    assert!(can_start(&harness));
}
