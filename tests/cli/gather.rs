//! Gathering, and training on what was gathered, from the made-up archive of `trainer/gather/tests`.

use std::path::Path;

use super::{small_run, trainer};

/// The archive, and a region inside its scenes.
fn unpack(folder: &Path) {
    let packed = std::fs::File::open(solstice_tests::repository().join("trainer/gather/tests/archive.tar.gz")).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(packed)).unpack(folder).unwrap();
    let region = r#"{"type":"Polygon","coordinates":[[[16.36,48.165],[16.46,48.165],[16.46,48.19],[16.36,48.19],[16.36,48.165]]]}"#;
    std::fs::write(folder.join("region.geojson"), region).unwrap();
}

fn gather(archive: &Path, out: &Path, more: &[&str]) -> super::Answer {
    let (stac, region) = (archive.join("catalog.json"), archive.join("region.geojson"));
    let mut args = vec!["gather", "--stac", stac.to_str().unwrap(), "--region", region.to_str().unwrap()];
    args.extend(["--locations", "8", "--px", "48", "--dates", "1", "--window-days", "12", "--max-cloud", "20"]);
    args.extend(["--reference-date", "2021-09-15", "--max-candidates", "2000", "--bands", "B02,B03,B04"]);
    args.extend(["--out", out.to_str().unwrap()]);
    args.extend(more);
    trainer(args)
}

#[test]
fn what_was_gathered_is_inspected_and_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    unpack(&path("archive"));
    for (name, more) in [("folders", &[][..]), ("tars", &["--tar", "3"][..])] {
        let set = path(name);
        let gathered = gather(&path("archive"), &set, more);
        assert_eq!(gathered.code, 0, "{}", gathered.err);
        assert!(gathered.out.contains("8 places, 8 pictures"), "{}", gathered.out);
        let again = gather(&path("archive"), &set, more);
        assert!(again.code == 0 && !again.out.contains("this run"), "nothing was left to do: {}", again.out);
        let seen = trainer(["inspect-data", set.to_str().unwrap()]);
        assert!(seen.code == 0 && seen.out.contains("tiles of 48 x 48 (8)"), "{} {}", seen.out, seen.err);
        assert!(seen.out.contains("gathered: 8 of 8 places, 8 pictures"), "{}", seen.out);
        let mut args = small_run(&set, &path(&format!("run-{name}")));
        let source = args.iter_mut().find(|arg| arg.starts_with("kind=folder")).unwrap();
        *source = source.replace("kind=folder", "kind=seco");
        *args.iter_mut().find(|arg| *arg == "demo").unwrap() = "seco".to_owned();
        args.extend(["--set", "encoder.architecture=compact-xs", "--set", "encoder.stem=small"].map(String::from));
        let trained = trainer(&args);
        assert_eq!(trained.code, 0, "{}", trained.err);
    }
    let both = trainer(["inspect-data", path("folders").to_str().unwrap(), path("tars").to_str().unwrap()]);
    assert!(both.err.contains("a split between them leaks"), "{}", both.err);
}

#[test]
fn wrong_requests_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let wrong: [(&[&str], &str); 7] = [
        (&["--archive", "nowhere"], "earth-search, planetary-computer"),
        (&["--px", "100"], "multiple of 6 pixels"),
        (&["--bands", "B77"], "no band is called B77"),
        (&["--reference-date", "yesterday"], "write it YYYY-MM-DD"),
        (&["--asset", "B2"], "--asset B2=blue"),
        (&["--shard", "3/3", "--reference-date", "2021-09-01"], "i from 0 to n - 1"),
        (&["--shard", "0/3"], "--reference-date"),
    ];
    for (more, hint) in wrong {
        let answer = trainer([&["gather", "--out", out][..], more].concat());
        assert_eq!(answer.code, 2, "{more:?} {}", answer.err);
        assert!(answer.err.contains(hint), "{more:?} {}", answer.err);
    }
    let lost = trainer(["gather", "--stac", "/nowhere/catalog.json", "--out", out]);
    assert!(
        lost.code == 1 && lost.err.contains("cannot open the STAC archive") && lost.err.contains("hint:"),
        "{}",
        lost.err
    );
    let empty = trainer(["gather", "merge", out]);
    assert!(empty.err.contains("hint:"), "{}", empty.err);
}

#[test]
fn a_dry_run_draws_the_places() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("places");
    let answer = trainer(["gather", "--dry-run", "--locations", "300", "--out", out.to_str().unwrap()]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let svg = std::fs::read_to_string(out.join("places.svg")).unwrap();
    assert_eq!(svg.matches("<circle").count(), 300);
    let places: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("places.geojson")).unwrap()).unwrap();
    assert_eq!(places["features"].as_array().unwrap().len(), 300);
}
