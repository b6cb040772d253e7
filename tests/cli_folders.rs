//! Run folders: whole or absent, never anybody else's, and nothing left over.

use std::fs;
use std::path::Path;

use serde_json::json;
use sextans::runs::{Hooks, Library, Record, execute};
use sextans::tasks::{Board, TaskError};

use crate::cli_support::{TASKS, command, names, sextans};
use crate::workers_jobs::wait_until;

const SLOW: [&str; 6] = ["run", "counting.simulate", "--set", "steps=2000", "--out", "run"];
const QUICK: [&str; 4] = ["run", "counting.simulate", "--out", "run"];

fn parts(folder: &Path) -> Vec<String> {
    names(folder).into_iter().filter(|name| name.contains(".part-")).collect()
}

#[test]
fn a_run_leaves_its_products_a_picture_and_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let ended =
        sextans(folder.path(), &["run", "counting.simulate", "--set", "seed=18446744073709551615", "--out", "a/b/run"])
            .ok();
    let run = folder.path().canonicalize().unwrap().join("a/b/run");
    assert_eq!(names(&run), ["curve.ecsv", "image.fits", "panel.png", "record.json"]);
    assert_eq!(names(run.parent().unwrap()), ["run"]);
    assert_eq!(ended.out.lines().last().unwrap(), run.to_str().unwrap());
    let record = Record::read(&run).unwrap();
    assert_eq!(record.task, "counting.simulate");
    assert_eq!(record.seed, u64::MAX);
    assert_eq!(record.request["side"], 8, "defaults stand in the record");
    assert_eq!(record.files, ["image.fits", "curve.ecsv", "panel.png"]);
    assert_eq!(record.metrics["seconds"], record.wall_seconds);
    assert!(record.metrics["undefined"].is_nan() && record.metrics["sum"].is_finite());
    assert!(record.threads >= 1 && !record.cpu_level.is_empty());
    // The record inside the picture is the record beside it.
    let picture = fs::read_to_string(run.join("panel.png")).unwrap();
    let beside = fs::read_to_string(run.join("record.json")).unwrap();
    assert_eq!(picture, format!("picture of {beside}"));
}

#[test]
fn a_killed_run_leaves_nothing_under_the_final_name_and_the_next_one_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut killed = command(folder.path(), &SLOW)
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until("it writes", || !parts(folder.path()).is_empty());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(names(folder.path()), [format!("run.part-{}", killed.id())]);
    sextans(folder.path(), &QUICK).ok();
    assert_eq!(names(folder.path()), ["run"]);
}

#[test]
fn the_part_of_a_living_run_is_left_alone_and_its_result_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut slow = SLOW;
    slow[3] = "steps=150";
    let living = command(folder.path(), &slow)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until("it writes", || !parts(folder.path()).is_empty());
    sextans(folder.path(), &QUICK).ok();
    assert_eq!(parts(folder.path()), [format!("run.part-{}", living.id())]);
    let ended = living.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let err = String::from_utf8(ended.stderr).unwrap();
    assert!(err.contains("was taken meanwhile (it holds a finished run); this run stands in"), "{err}");
    assert!(err.contains("run-2"), "{err}");
    assert_eq!(names(folder.path()), ["run", "run-2"]);
    assert_eq!(Record::read(&folder.path().join("run-2")).unwrap().request["steps"], 150);
}

#[test]
fn a_part_named_like_this_process_but_owned_by_nobody_is_cleaned() {
    // In containers the process number is often the same each time.
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join(format!("run.part-{}", std::process::id()));
    fs::create_dir(&left).unwrap();
    fs::write(left.join("half.fits"), "half").unwrap();
    // Names that only look alike stay.
    for other in ["run.part-x", "run.part-", "other.part-1", "run.part-1.txt"] {
        fs::create_dir(folder.path().join(other)).unwrap();
    }
    execute(&TASKS[0], &json!({}), &folder.path().join("run"), false, &Board::new(), &Hooks::NONE).unwrap();
    assert_eq!(names(folder.path()), ["other.part-1", "run", "run.part-", "run.part-1.txt", "run.part-x"]);
}

#[test]
fn a_folder_that_is_not_ours_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("run");
    fs::create_dir(&home).unwrap();
    for (name, content) in [("thesis.tex", "years of work"), ("record.json", r#"{"artist": "somebody"}"#)] {
        fs::write(home.join(name), content).unwrap();
        for overwrite in [&QUICK[..], &[&QUICK[..], &["--overwrite"]].concat()] {
            let line = sextans(folder.path(), overwrite).refused();
            assert_eq!(
                line,
                "run: holds files but no record.json of ours, so it is not touched; give another folder to --out"
            );
            assert_eq!(fs::read_to_string(home.join(name)).unwrap(), content);
        }
        assert_eq!(names(folder.path()), ["run"]);
    }
    let line =
        sextans(folder.path(), &["run", "counting.simulate", "--out", "run/thesis.tex", "--overwrite"]).refused();
    assert_eq!(line, "run/thesis.tex: is a file; give a folder to --out");
}

#[test]
fn a_finished_run_is_replaced_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("run")).unwrap();
    sextans(folder.path(), &QUICK).ok();
    let line = sextans(folder.path(), &QUICK).refused();
    assert_eq!(line, "run: holds a finished run; add --overwrite to replace it, or give another folder");
    sextans(folder.path(), &["run", "counting.simulate", "--set", "side=5", "--out", "run/", "--overwrite"]).ok();
    assert_eq!(Record::read(&folder.path().join("run")).unwrap().request["side"], 5);
    assert_eq!(names(folder.path()), ["run"]);
    // A run that fails leaves the old one as it was.
    let failing = ["run", "counting.simulate", "--set", "fault=error", "--out", "run", "--overwrite"];
    assert_eq!(sextans(folder.path(), &failing).fails(1), "the count does not converge");
    assert_eq!(Record::read(&folder.path().join("run")).unwrap().request["side"], 5);
    assert_eq!(names(folder.path()), ["run"]);
}

#[test]
fn a_run_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (fault, line) in [
        ("error", "the count does not converge"),
        ("disk", "no space left on device"),
        ("panic", "the task stopped on an internal error (the counting frame broke, at tests/cli_support.rs:"),
    ] {
        let ended =
            sextans(folder.path(), &["run", "counting.simulate", "--set", &format!("fault={fault}"), "--out", "run"]);
        assert!(!ended.err.contains("panicked at"), "{ended:?}");
        let found = ended.fails(1);
        assert!(found.starts_with(line), "{found}");
        assert!(names(folder.path()).is_empty());
    }
}

#[test]
fn a_cancelled_run_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let board = Board::new();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| execute(&TASKS[0], &json!({"steps": 5000}), &out, false, &board, &Hooks::NONE));
        wait_until("it counts", || !board.series().is_empty());
        board.cancel().cancel();
        assert!(matches!(run.join().unwrap(), Err(TaskError::Cancelled)));
    });
    assert!(names(folder.path()).is_empty());
}

#[test]
fn the_library_lists_and_deletes_its_own_runs_only() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::at(folder.path().join("runs"));
    assert!(library.list().is_empty());
    let made = [library.new_run("counting.simulate"), library.new_run("counting.simulate")];
    assert_ne!(made[0], made[1], "two runs queued in one second have two folders");
    for place in &made {
        execute(&TASKS[0], &json!({}), place, false, &Board::new(), &Hooks::NONE).unwrap();
    }
    fs::create_dir(library.folder().join("foreign")).unwrap();
    let listed = library.list();
    assert_eq!(listed.len(), 2);
    for entry in &listed {
        let on_disk: u64 = names(&entry.folder).iter().map(|n| fs::metadata(entry.folder.join(n)).unwrap().len()).sum();
        assert_eq!(entry.bytes, on_disk);
    }
    let outside = folder.path().join("outside");
    execute(&TASKS[0], &json!({}), &outside, false, &Board::new(), &Hooks::NONE).unwrap();
    for refused in [outside.clone(), library.folder().join("foreign"), library.folder().join("../outside")] {
        assert!(library.delete(&refused).is_err());
        assert!(refused.exists());
    }
    library.delete(&made[0]).unwrap();
    assert_eq!(library.list().len(), 1);
    // A window that was killed while a run went on.
    fs::create_dir(library.folder().join("counting.simulate-20260101-000000.part-4194305")).unwrap();
    library.remove_leftovers();
    assert_eq!(names(library.folder()), [made[1].file_name().unwrap().to_str().unwrap(), "foreign"]);
}

const OPENS: &str = "SEXTANS_TEST_OPENS_LIBRARY";

/// Not a test by itself: in a process of its own it opens the user's library.
#[test]
fn helper_opens_the_library() {
    if std::env::var_os(OPENS).is_some() {
        Library::of_user().unwrap().remove_leftovers();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn opening_the_users_library_removes_what_a_killed_window_left() {
    let home = tempfile::tempdir().unwrap();
    let runs = home.path().join("sextans/runs");
    fs::create_dir_all(runs.join("counting.simulate-20260101-000000.part-4194305")).unwrap();
    fs::create_dir(runs.join("foreign")).unwrap();
    let ended = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["cli_folders::helper_opens_the_library", "--exact"])
        .env(OPENS, "1")
        .env("XDG_DATA_HOME", home.path())
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(names(&runs), ["foreign"]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_window_too_refuses_what_the_machine_cannot_hold() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let request = json!({"side": 1_000_000_000});
    let error = execute(&TASKS[0], &request, &out, false, &Board::new(), &Hooks::NONE).unwrap_err();
    assert!(error.to_string().starts_with("counting.simulate: needs 4000000.0 TB of memory"), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn weights_stand_in_the_record_with_their_hash() {
    let folder = tempfile::tempdir().unwrap();
    let hooks = Hooks {
        weights: |_, request| vec![if request["side"] == 8 { "Cargo.toml" } else { "absent" }.into()],
        ..Hooks::NONE
    };
    let result = execute(&TASKS[0], &json!({}), &folder.path().join("run"), false, &Board::new(), &hooks).unwrap();
    let weights = &result.record.weights[0];
    assert_eq!((weights.path.as_str(), weights.bytes), ("Cargo.toml", fs::metadata("Cargo.toml").unwrap().len()));
    assert_eq!(weights.sha256.len(), 64);
    assert_eq!(Record::read(&result.folder).unwrap().weights, result.record.weights);
}

#[test]
fn a_fault_in_the_drawing_does_not_cost_the_run() {
    sextans::workers::quiet_panics();
    let folder = tempfile::tempdir().unwrap();
    let hooks = Hooks { picture: |_, _, _, _| panic!("no such colour"), ..Hooks::NONE };
    let result = execute(&TASKS[0], &json!({}), &folder.path().join("run"), false, &Board::new(), &hooks).unwrap();
    assert_eq!(names(&result.folder), ["curve.ecsv", "image.fits", "record.json"]);
    assert_eq!(result.record.files, ["image.fits", "curve.ecsv"]);
    assert!(result.notes[0].starts_with("panel.png was not drawn: no such colour"), "{:?}", result.notes);
}

#[test]
fn two_runs_of_one_program_do_not_write_into_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let board = Board::new();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| execute(&TASKS[0], &json!({"steps": 5000}), &out, false, &board, &Hooks::NONE));
        wait_until("it counts", || !board.series().is_empty());
        let second = execute(&TASKS[0], &json!({}), &out, false, &Board::new(), &Hooks::NONE);
        assert!(second.unwrap_err().to_string().ends_with("another run of this program is writing to it now"));
        assert_eq!(parts(folder.path()).len(), 1, "the first one's part is still there");
        board.cancel().cancel();
        first.join().unwrap().unwrap_err();
    });
}

#[cfg(unix)]
#[test]
fn links_lead_to_the_folder_itself_and_a_link_to_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", folder.path().join("run")).unwrap();
    sextans(folder.path(), &QUICK).ok();
    assert!(folder.path().join("run").is_symlink());
    assert_eq!(names(folder.path()), ["real", "run"]);
    assert!(folder.path().join("real/record.json").is_file());
    std::os::unix::fs::symlink("nothing", folder.path().join("dangling")).unwrap();
    let line = sextans(folder.path(), &["run", "counting.simulate", "--out", "dangling"]).refused();
    assert_eq!(line, "dangling: is a link to nothing; remove it or give another folder to --out");
}

#[test]
fn a_run_feeds_another_without_the_command_line_too() {
    // As the window does it: the request names a run folder.
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    execute(&TASKS[0], &json!({}), &at("sim"), false, &Board::new(), &Hooks::NONE).unwrap();
    let request = json!({"image": at("sim")});
    let result = execute(&TASKS[1], &request, &at("fit"), false, &Board::new(), &Hooks::NONE).unwrap();
    assert_eq!(result.record.request["image"], at("sim").join("image.fits").to_str().unwrap());
    assert_eq!(result.record.inputs[0].role, "image");
    // A role of no product's name is not guessed.
    let guess = json!({"image": at("sim"), "model": {"background": at("sim")}});
    let error = execute(&TASKS[1], &guess, &at("no"), false, &Board::new(), &Hooks::NONE).unwrap_err();
    assert!(error.to_string().contains("name one of its files: image.fits, curve.ecsv"), "{error}");
    // An input that is not there stops the run before anything is written.
    let error =
        execute(&TASKS[1], &json!({"image": "absent"}), &at("no"), false, &Board::new(), &Hooks::NONE).unwrap_err();
    assert!(error.is_usage(), "{error}");
    assert_eq!(names(folder.path()), ["fit", "sim"]);
}
