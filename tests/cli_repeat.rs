//! A run can be fed by another, and repeated from its record with no difference.

use std::fs;

use sextans::runs::Record;

use crate::cli_support::sextans;

#[test]
fn a_repeated_run_is_equal_to_the_bit_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sextans(here, &["run", "counting.simulate", "--set", "side=40", "--out", "a", "--threads", "1"]).ok();
    sextans(here, &["run", "counting.fit", "--input", "image=a", "--out", "f", "--threads", "1"]).ok();
    for old in ["a", "f", "f/record.json"] {
        for threads in [1, 2, 3, 8] {
            let out = format!("again-{}-{threads}", old.replace('/', "-"));
            let count = threads.to_string();
            let ended = sextans(here, &["run", "--repeat", old, "--verify", "--out", &out, "--threads", &count]).ok();
            assert_eq!(ended.out.lines().last(), Some("all: equal (1610 numbers)"), "{ended:?}");
            let (old, new) = (Record::read(&here.join(old)).unwrap(), Record::read(&here.join(out)).unwrap());
            assert_eq!((old.threads, new.threads), (1, threads));
            assert_eq!((old.request, old.inputs, old.seed), (new.request, new.inputs, new.seed));
        }
    }
}

#[test]
fn a_difference_is_told_with_its_size_and_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sextans(here, &["run", "counting.simulate", "--set", "fault=irreproducible", "--out", "a"]).ok();
    let ended = sextans(here, &["run", "--repeat", "a", "--verify", "--out", "b"]);
    assert!(ended.out.lines().any(|l| l.starts_with("image.fits: largest difference ")), "{ended:?}");
    assert!(ended.out.lines().last().unwrap().starts_with("all: largest difference "), "{ended:?}");
    assert!(ended.fails(1).ends_with("a to the bit"));
    // The new run is kept, so that the difference can be looked at.
    assert!(here.join("b/record.json").is_file());
}

#[test]
fn inputs_are_recorded_whole_and_a_changed_one_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().canonicalize().unwrap();
    sextans(&here, &["run", "counting.simulate", "--out", "a"]).ok();
    let bracket = "background=a/image.fits[0]";
    sextans(&here, &["run", "counting.fit", "--input", "image=a", "--input", bracket, "--out", "f"]).ok();
    let record = Record::read(&here.join("f")).unwrap();
    let image = here.join("a/image.fits");
    let paths: Vec<(&str, &str)> = record.inputs.iter().map(|i| (i.role.as_str(), i.path.as_str())).collect();
    let with_bracket = format!("{}[0]", image.display());
    assert_eq!(paths, [("image", image.to_str().unwrap()), ("model.background", with_bracket.as_str())]);
    assert_eq!(record.request["image"], image.to_str().unwrap(), "the request holds the file, absolute");
    assert_eq!(record.inputs[0].bytes, fs::metadata(&image).unwrap().len());
    assert_eq!(record.inputs[0].sha256.len(), 64);
    sextans(&here, &["run", "counting.simulate", "--set", "seed=2", "--out", "a", "--overwrite"]).ok();
    let line = sextans(&here, &["run", "--repeat", "f", "--out", "g"]).refused();
    assert_eq!(line, format!("{}: has changed since the run (input image)", image.display()));
}

#[test]
fn a_record_serves_as_a_request_that_can_be_changed_further() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sextans(here, &["run", "counting.simulate", "--set", "side=5", "--set", "seed=9", "--out", "a"]).ok();
    let arguments =
        ["run", "counting.simulate", "--request", "a/record.json", "--set", "side=6", "--out", "b", "--quiet"];
    let ended = sextans(here, &arguments).ok();
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("", ""), "--quiet is quiet");
    let record = Record::read(&here.join("b")).unwrap();
    assert_eq!((record.request["side"].as_u64(), record.seed), (Some(6), 9));
    let line = sextans(here, &["run", "counting.fit", "--request", "a/record.json", "--out", "c"]).refused();
    assert_eq!(line, "a/record.json: is the record of a run of counting.simulate, not of counting.fit");
}

#[test]
fn what_is_no_run_cannot_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("empty")).unwrap();
    fs::write(here.join("x.json"), "[1]").unwrap();
    let repeat = |what: &str| sextans(here, &["run", "--repeat", what, "--out", "r"]).refused();
    assert_eq!(repeat("empty"), "empty: has no record.json, so it is not a run folder");
    assert_eq!(repeat("x.json"), "x.json: is not the record of a sextans run");
    assert!(repeat("absent").starts_with("absent: cannot be read"));
    sextans(here, &["run", "counting.simulate", "--out", "a"]).ok();
    fs::remove_file(here.join("a/image.fits")).unwrap();
    let line = sextans(here, &["run", "--repeat", "a", "--verify", "--out", "r"]).refused();
    assert_eq!(line, "a: image.fits is not beside the record; --verify needs the whole run folder");
}

#[test]
fn the_demo_without_a_display_simulates_and_fits_and_may_be_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for _ in 0..2 {
        let ended = sextans(here, &["demo", "counting"]).ok();
        assert!(ended.out.starts_with("no display found: the demo of counting runs without a window"), "{ended:?}");
    }
    let record = Record::read(&here.join("sextans-demo/counting.fit")).unwrap();
    let simulated = here.canonicalize().unwrap().join("sextans-demo/counting.simulate/image.fits");
    assert_eq!(record.inputs[0].path, simulated.to_str().unwrap());
    let line = sextans(here, &["demo", "cuonting"]).refused();
    assert_eq!(line, "cuonting: no demo of that name; there are counting");
}
