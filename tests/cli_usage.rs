//! Usage: every mistake is one plain line with its cure and exit status 2; help, lists and pipes behave.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli_support::{Ended, command, sextans, without_display};

/// The real program with no display.
fn binary(arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sextans"));
    without_display(&mut command);
    command.args(arguments).output().unwrap().into()
}

#[test]
fn with_no_display_the_window_is_refused_in_one_line() {
    let line = binary(&[]).refused();
    assert!(line.starts_with("no display found") && line.contains("`sextans demo`"), "{line}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.fits");
    fs::write(&file, "").unwrap();
    let line = binary(&[file.to_str().unwrap()]).refused();
    assert!(line.contains(&format!("`sextans info {}`", file.display())), "{line}");
}

#[test]
fn with_a_display_the_window_gets_the_files_and_the_demo() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.fits"), "").unwrap();
    let shown = |arguments: &[&str]| -> Ended {
        command(folder.path(), arguments).env("DISPLAY", ":99").output().unwrap().into()
    };
    // The window of the tests answers with what it was asked for.
    let line = shown(&["a.fits", "--threads", "2"]).refused();
    assert_eq!(line, r#"would open WindowOptions { files: ["a.fits"], demo: None, threads: 2 }"#);
    let line = shown(&["demo", "counting", "--threads", "1"]).refused();
    assert_eq!(line, r#"would open WindowOptions { files: [], demo: Some("counting"), threads: 1 }"#);
}

#[test]
fn a_word_that_is_no_file_gets_the_nearest_command() {
    assert_eq!(binary(&["rnu"]).refused(), "rnu: no such file; did you mean `sextans run`?");
    assert_eq!(binary(&["/nowhere/a.fits"]).refused(), "/nowhere/a.fits: no such file");
}

#[test]
fn help_and_version_are_not_errors() {
    let help = binary(&["--help"]).ok();
    for word in ["demo", "info", "list", "run", "render", "--threads", "Exit status"] {
        assert!(help.out.contains(word), "{word}");
    }
    assert!(binary(&["--version"]).ok().out.starts_with(concat!("sextans ", env!("CARGO_PKG_VERSION"))));
    assert!(binary(&["run", "--help"]).ok().out.contains("--repeat"));
}

#[test]
fn mistakes_are_named_with_their_cure() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.json"), r#"{"sied": 3}"#).unwrap();
    fs::write(folder.path().join("not.json"), "side = 3").unwrap();
    fs::write(folder.path().join("not.fits"), "hello").unwrap();
    fs::create_dir(folder.path().join("plain")).unwrap();
    let here = folder.path().canonicalize().unwrap();
    let at = |name: &str| here.join(name).display().to_string();
    let simulate = |more: &[&str]| sextans(&here, &[&["run", "counting.simulate", "--out", "r"], more].concat());
    let fit = |more: &[&str]| sextans(&here, &[&["run", "counting.fit", "--out", "r"], more].concat());
    for (ended, line) in [
        (simulate(&["--set", "sied=3"]), "sied: no such field; did you mean side?".to_owned()),
        (simulate(&["--set", "noise_adu=-1.5"]), "noise_adu = -1.5: expected 0 to 100 in adu".into()),
        (
            simulate(&["--set", "side=18446744073709551615"]),
            "side = 18446744073709551615: expected 1 to 1e9 in pix".into(),
        ),
        (simulate(&["--set", "noise_adu=loud"]), "noise_adu = loud: expected a number in adu".into()),
        (
            simulate(&["--set", "fault=odd"]),
            "fault = odd: expected one of none, panic, error, irreproducible, disk".into(),
        ),
        (simulate(&["--request", "bad.json"]), "bad.json: sied: no such field; did you mean side?".into()),
        (simulate(&["--input", "image=not.fits"]), "--input image: counting.simulate takes no input files".into()),
        (
            fit(&["--input", "imge=not.fits"]),
            "--input imge: no such input; counting.fit has image, model.background".into(),
        ),
        (fit(&["--input", "image=absent.fits"]), format!("{}: no such file (input image)", at("absent.fits"))),
        (
            fit(&["--input", "image=plain"]),
            format!("{}: is a folder without a record.json of ours; name the file (input image)", at("plain")),
        ),
        (fit(&["--set", "image=absent.fits"]), format!("{}: no such file (input image)", at("absent.fits"))),
        (fit(&[]), "image = : an image is needed; give --input image=FILE".into()),
        (
            sextans(&here, &["run", "counting.ftt", "--out", "r"]),
            "counting.ftt: no such task; did you mean counting.fit?".into(),
        ),
        (sextans(&here, &["run", "zzz", "--out", "r"]), "zzz: no such task; `sextans list` shows all".into()),
        (sextans(&here, &["list", "counting.fi"]), "counting.fi: no such task; did you mean counting.fit?".into()),
        (sextans(&here, &["render", "a.jpg"]), "a.jpg: the picture is a PNG; give a name that ends in .png".into()),
        (sextans(&here, &["render", "--panel", "absent", "a.png"]), "--panel absent: no such panel".into()),
        (sextans(&here, &["render", "--open", "absent", "a.png"]), "absent: no such file".into()),
        (sextans(&here, &["info", "absent.fits"]), "absent.fits: No such file or directory (os error 2)".into()),
    ] {
        assert_eq!(ended.refused(), line);
    }
    let line = simulate(&["--request", "not.json"]).refused();
    assert!(line.starts_with("not.json: is not JSON"), "{line}");
    let line = simulate(&["--set", "side"]).refused();
    assert!(line.contains("'side'") && line.contains("expected NAME=VALUE"), "{line}");
    let line = simulate(&["--set", "levels_adu=1,2"]).refused();
    assert!(line.starts_with("levels_adu = 1,2: expected JSON such as [1, 2, 3]"), "{line}");
    // The picture cannot be written: that is no mistake in the command.
    sextans(&here, &["render", "absent/a.png"]).fails(1);
    // Found out only when the run reads it, still unreadable input and still nothing left.
    let ended = fit(&["--input", "image=not.fits"]);
    assert!(ended.fails(2).starts_with(&format!("{}: cannot be read as FITS", at("not.fits"))));
    assert!(!here.join("r").exists());
}

#[test]
fn the_cost_is_told_and_one_above_the_machine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let told = sextans(folder.path(), &["run", "counting.simulate", "--out", "r"]).ok();
    assert!(
        told.err.contains("counting.simulate: needs about 256 B of memory and less than 1 s of one core"),
        "{told:?}"
    );
    if cfg!(target_os = "linux") {
        let line =
            sextans(folder.path(), &["run", "counting.simulate", "--set", "side=1000000000", "--out", "s"]).refused();
        assert!(line.starts_with("counting.simulate: needs 4000000.0 TB of memory, this machine has "), "{line}");
    }
}

#[test]
fn the_real_program_tells_a_wrong_picture_from_a_failed_one() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.fits");
    fs::write(&text, "this is no FITS file").unwrap();
    let out = folder.path().join("o.png");
    let (text, out) = (text.to_str().unwrap(), out.to_str().unwrap());
    let line = binary(&["render", "--panel", "absent", out]).refused();
    assert!(line.starts_with("--panel absent: no such panel"), "{line}");
    let line = binary(&["render", "--open", text, out]).refused();
    assert!(line.contains("text.fits"), "{line}");
    binary(&["render", "/nowhere/o.png"]).fails(1);
}

#[test]
fn a_list_is_given_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let level = |levels: &str, out: &str| {
        let set = format!("levels_adu={levels}");
        sextans(
            folder.path(),
            &["run", "counting.simulate", "--set", "noise_adu=0", "--set", &set, "--set", "side=2", "--out", out],
        )
        .ok();
        sextans::runs::Record::read(&folder.path().join(out)).unwrap()
    };
    let record = level("[1, 2.5]", "a");
    assert_eq!((record.metrics["sum"], &record.request["levels_adu"]), (14.0, &serde_json::json!([1.0, 2.5])));
    assert_eq!(level("[]", "b").metrics["sum"], 0.0);
    let list = sextans(folder.path(), &["list", "counting.simulate"]).ok().out;
    assert!(list.lines().any(|l| l.contains("levels_adu") && l.contains("[] adu  [JSON]")), "{list}");
}

#[test]
fn progress_comes_in_plain_lines_when_piped_and_not_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let ended = sextans(folder.path(), &["run", "counting.simulate", "--set", "steps=120", "--out", "r"]).ok();
    let lines: Vec<&str> = ended.err.lines().filter(|l| l.contains('%')).collect();
    assert!(lines[0].ends_with("% counting"), "{ended:?}");
    let seconds = folder.path().join("r/record.json");
    let seconds = sextans::runs::Record::read(&seconds).unwrap().wall_seconds;
    assert!(lines.len() as f64 <= seconds + 2.0, "{} lines in {seconds} s", lines.len());
    assert!(!ended.err.contains('\u{1b}') && !ended.err.contains('\r'));
}

#[test]
fn list_describes_tasks_for_people_and_for_programs() {
    let here = std::env::temp_dir();
    let all = sextans(&here, &["list"]).ok();
    assert_eq!(all.out, "counting.simulate  A square image of noise.\ncounting.fit       Multiplies an image.\n");
    assert_eq!(sextans(&here, &["list", "counting"]).ok().out, all.out);
    let one = sextans(&here, &["list", "counting.fit"]).ok().out;
    for part in
        ["model.factor", "2.0  [0.5 to 4]", "Inputs", "model.background  may be left out", "image.fits  The product."]
    {
        assert!(one.contains(part), "{part} is not in\n{one}");
    }
    let json: Value = serde_json::from_str(&sextans(&here, &["list", "counting.fit", "--json"]).ok().out).unwrap();
    assert_eq!(json["name"], "counting.fit");
    assert_eq!(json["defaults"]["model"]["factor"], 2.0);
    assert_eq!(json["schema"]["properties"]["image"]["x-input"], true);
    let json: Value = serde_json::from_str(&sextans(&here, &["list", "--json"]).ok().out).unwrap();
    assert_eq!(json[0]["lane"], "short");
}

#[test]
fn info_and_render_pass_their_options_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "abc").unwrap();
    fs::write(folder.path().join("b"), "abcd").unwrap();
    assert_eq!(sextans(folder.path(), &["info", "a", "b"]).ok().out, "3 bytes\n4 bytes\n");
    let json: Value = serde_json::from_str(&sextans(folder.path(), &["info", "a", "b", "--json"]).ok().out).unwrap();
    assert_eq!(json, serde_json::json!([{"bytes": 3}, {"bytes": 4}]));
    // One bad file does not hide the others.
    let ended = sextans(folder.path(), &["info", "absent", "b"]);
    assert_eq!(ended.out, "4 bytes\n");
    ended.refused();
    sextans(
        folder.path(),
        &["render", "--panel", "x", "--theme", "light", "--size", "640x480", "--open", "a", "o.png"],
    )
    .ok();
    let drawn = fs::read_to_string(folder.path().join("o.png")).unwrap();
    assert!(
        drawn.contains(r#"panel: Some("x")"#) && drawn.contains("Light") && drawn.contains("(640, 480)"),
        "{drawn}"
    );
}

#[test]
fn a_reader_who_goes_away_ends_the_output_in_peace() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["list", "counting.simulate", "--json"][..],
        &["--help"],
        &["run", "counting.simulate", "--set", "steps=20", "--out", "r"],
    ] {
        let mut child =
            command(folder.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        // Read until the program's own output is about to begin, then hang up.
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"\x02begin\n") && stdout.read(&mut byte).unwrap() == 1 {
            seen.push(byte[0]);
        }
        drop(stdout);
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}");
        assert!(!String::from_utf8(ended.stderr).unwrap().contains("panicked"));
    }
    assert!(folder.path().join("r/record.json").is_file());
}
