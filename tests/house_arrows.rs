//! Promise: the arrows of the house (see `src/lib.rs`) hold, and egui is named only where drawing is done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each folder may use of ours, besides itself and `tasks`.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("tasks", vec![]),
        ("numerics", vec![]),
        ("data", vec![]),
        ("learning", vec!["numerics", "data"]),
        ("studies", vec!["learning", "numerics", "data"]),
        ("workers", vec![]),
        ("runs", vec!["workers", "studies", "data"]),
        ("plots", vec!["data", "numerics"]),
        ("panels", vec!["plots", "workers", "runs", "studies", "data", "numerics"]),
        ("app", vec!["panels", "plots", "workers", "runs", "studies", "data"]),
        ("cli", vec!["app", "panels", "workers", "runs", "studies", "data"]),
    ])
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Source without comments, so that prose may name anything.
fn code(path: &Path) -> String {
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|l| l.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Top-level modules of ours that a source names: `crate::a`, `crate::{a, b::c}`.
fn named(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(inner) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut start = true;
            for (i, c) in inner.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => start = true,
                    c if start && c.is_alphabetic() => {
                        out.push(word(&inner[i..]));
                        start = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            out.push(word(rest));
        }
    }
    out
}

#[test]
fn every_arrow_of_the_house_holds() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rules = allowed();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(&src).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let layer = folder.file_name().unwrap().to_string_lossy().into_owned();
        let Some(may) = rules.get(layer.as_str()) else {
            wrong.push(format!("src/{layer} is not in the rules of this test and in src/lib.rs"));
            continue;
        };
        let mut files = Vec::new();
        rust_files(&folder, &mut files);
        for file in files {
            for name in named(&code(&file)) {
                let ours = rules.contains_key(name.as_str());
                if ours {
                    seen += 1;
                }
                if ours && name != layer && name != "tasks" && !may.contains(&name.as_str()) {
                    wrong.push(format!("{} names crate::{name}", file.display()));
                }
            }
        }
    }
    assert!(seen > 50, "the walk found only {seen} names: is it reading the sources at all?");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn egui_is_named_only_where_drawing_is_done() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let wrong: Vec<_> = files
        .iter()
        .filter(|f| !["app", "panels", "plots"].iter().any(|d| f.starts_with(src.join(d))))
        .filter(|f| code(f).contains("egui") || code(f).contains("eframe"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_reader_of_names_sees_both_forms_of_use() {
    assert_eq!(named("use crate::a::b; x(crate::c)"), ["a", "c"]);
    assert_eq!(named("use crate::{a::{x, y}, b, c::d};"), ["a", "b", "c"]);
}
