use crate::ui_support::{open, settle, window};
use egui_kittest::kittest::Queryable;
use sextans::panels::Command;
use std::path::Path;
#[test]
fn tmp_dump_session() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, Path::new("/work/shared/data/lines/muse-abell478.fits"));
    harness.state_mut().send(Command::OpenPath("/tmp/p7/r.reg".into()));
    settle(&mut harness);
    let mut session = harness.state().session();
    for view in &mut session.views {
        if view.kind == "image" {
            view.state["selected_region"] = serde_json::json!(0);
            view.state["display"]["color_map"] = serde_json::json!("gray");
            view.state["plane"] = serde_json::json!(118);
        } else {
            view.state["lines"]["on"] = serde_json::json!(true);
            view.state["lines"]["redshift"] = serde_json::json!(0.08597);
            view.state["band"] = serde_json::json!(true);
            view.state["range"]["line"] = serde_json::json!([82, 128]);
            view.state["range"]["sides"] = serde_json::json!([[40, 74], [140, 200]]);
            view.state["range"]["what"] = serde_json::json!("integral");
        }
    }
    harness.state_mut().restore(&session);
    settle(&mut harness);
    harness.get_by_label("Make image").click();
    settle(&mut harness);
    let mut session = harness.state().session();
    session.focused = session.views.iter().find(|v| v.kind == "image").map(|v| v.id);
    std::fs::write("/tmp/p7/session.json", session.to_text().unwrap()).unwrap();
    let map = session.views.iter().filter(|v| v.kind == "image").last().unwrap().id;
    session.focused = Some(map);
    std::fs::write("/tmp/p7/session2.json", session.to_text().unwrap()).unwrap();
}
