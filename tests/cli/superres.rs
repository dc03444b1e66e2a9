//! `trainer superres`: enlargements and what is measured on them.

use crate::{Answer, trainer};
use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Two dates of a made-up place: fields, a road and buildings, seen through other light.
fn pair(folder: &Path, width: u32, height: u32) -> (PathBuf, PathBuf) {
    let ground = |x: u32, y: u32| -> f32 {
        let field = 60.0 + 25.0 * ((x / 9 + 3 * (y / 11)) % 4) as f32;
        let road = if (x + 2 * y) % 37 < 3 { 90.0 } else { 0.0 };
        let roofs = if (x * 7 + y * 13) % 23 < 4 && y % 5 < 3 { 60.0 } else { 0.0 };
        field + road + roofs
    };
    let write = |name: &str, gain: [f32; 3], shift: f32| {
        let path = folder.join(name);
        let seen = |x, y| Rgb(gain.map(|gain| (gain * ground(x, y) + shift).clamp(0.0, 255.0) as u8));
        RgbImage::from_fn(width, height, seen).save(&path).unwrap();
        path
    };
    (write("june.png", [0.9, 0.8, 0.6], 10.0), write("may.png", [0.6, 0.7, 0.5], 40.0))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A small measured job on two dates of 48 × 40.
pub fn small_job(folder: &Path, out: &Path, extra: &[&str]) -> Vec<String> {
    let (june, may) = pair(folder, 48, 40);
    let mut args = vec!["superres".to_owned(), "--device".into(), "cpu".into(), "--reduce".into()];
    args.extend(["--input".into(), text(&june), "--reference".into(), text(&may), "--out".into(), text(out)]);
    args.extend(["--channels", "8", "--levels", "2", "--steps", "60"].map(String::from));
    args.extend(extra.iter().map(ToString::to_string));
    args
}

fn ok(answer: &Answer) {
    assert_eq!(answer.code, 0, "{}", answer.err);
}

fn metrics(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("metrics.json")).unwrap()).unwrap()
}

fn psnr(metrics: &Value, mode: &str) -> f64 {
    let results = metrics["results"].as_array().unwrap();
    let own = results.iter().find(|entry| entry["mode"] == mode).unwrap();
    own["quality"]["psnr_db"].as_f64().unwrap()
}

#[test]
fn the_migrated_prior_is_nearer_to_the_truth_than_what_has_no_reference() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    ok(&trainer(small_job(folder.path(), &out, &[])));
    let metrics = metrics(&out);
    let of = |mode| psnr(&metrics, mode);
    for plain in ["bicubic", "lanczos", "dip"] {
        assert!(of("mip") > of(plain) + 3.0, "{metrics}");
    }
    // The oracle: the files themselves, whatever the metrics say.
    let read = |path: &Path| image::open(path).unwrap().to_rgb8();
    let truth = read(&folder.path().join("june.png"));
    for mode in ["bicubic", "lanczos", "detail", "dip", "mip"] {
        let picture = read(&out.join(format!("{mode}.png")));
        assert_eq!(picture.dimensions(), truth.dimensions());
        let squares = picture.as_raw().iter().zip(truth.as_raw()).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
        let expected = 20.0 * 255_f64.log10() - 10.0 * (squares.sum::<f64>() / truth.as_raw().len() as f64).log10();
        assert!((of(mode) - expected).abs() < 1e-3, "{mode}: {} is not {expected}", of(mode));
    }
    let panel = read(&out.join("panel.png"));
    let names: Vec<&str> = metrics["panel"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names, ["input", "bicubic", "lanczos", "detail", "dip", "mip", "truth", "reference"]);
    assert_eq!(panel.dimensions(), (8 * 48 + 7 * 4, 40));
    let third = panel.get_pixel(6 * 52 + 17, 23);
    assert_eq!(third, truth.get_pixel(17, 23), "the truth is where the list says");
    assert!(!out.join("parts").exists(), "what was unfinished is gone");

    let before = fs::read(out.join("mip.png")).unwrap();
    let again = trainer(small_job(folder.path(), &out, &[]));
    assert!(again.code == 0 && again.err.contains("complete") && again.out.contains("mip"), "{}", again.err);
    assert!(fs::read(out.join("mip.png")).unwrap() == before);
    let other = trainer(small_job(folder.path(), &out, &["--seed", "1"]));
    says(&other, 2, "another enlargement");
}

#[test]
fn a_large_picture_goes_through_windows_and_grey_ones_are_enlarged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grey.png");
    GrayImage::from_fn(22, 13, |x, y| Luma([(40 + 6 * x + 3 * y) as u8])).save(&path).unwrap();
    let out = folder.path().join("out");
    let job = |out: &Path| {
        let mut args = ["superres", "--device", "cpu", "--scale", "3", "--window", "10", "--overlap", "4"]
            .map(String::from)
            .to_vec();
        args.extend(["--channels", "4", "--levels", "1", "--steps", "25", "--mode", "dip,bicubic"].map(String::from));
        args.extend(["--input".into(), text(&path), "--out".into(), text(out)]);
        args
    };
    ok(&trainer(job(&out)));
    let mut args = job(&folder.path().join("other"));
    args.extend(["--encoder", "model.safetensors"].map(String::from));
    says(&trainer(args), 2, "there is none");
    let metrics = metrics(&out);
    let results = metrics["results"].as_array().unwrap();
    assert_eq!((results[0]["mode"].as_str(), results[1]["mode"].as_str()), (Some("bicubic"), Some("dip")));
    assert_eq!(results[1]["fits"].as_array().unwrap().len(), 3 * 2);
    assert!(results[1].get("quality").is_none(), "nothing is known of the truth");
    let enlarged = image::open(out.join("dip.png")).unwrap().to_luma8();
    assert_eq!(enlarged.dimensions(), (66, 39));
    // A ramp: reduced again by eye, every window is where it belongs.
    for (x, y) in [(2, 2), (20, 2), (2, 11), (20, 11), (11, 6)] {
        let found = i32::from(enlarged.get_pixel(3 * x + 1, 3 * y + 1).0[0]);
        let expected = (40 + 6 * x + 3 * y) as i32;
        assert!((found - expected).abs() < 24, "({x}, {y}): {found} is not {expected}");
    }
}

#[test]
fn a_picture_that_is_met_exactly_is_measured_and_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flat.png");
    RgbImage::from_pixel(32, 32, Rgb([90, 120, 60])).save(&path).unwrap();
    let out = folder.path().join("out");
    for _ in 0..2 {
        let mut args =
            ["superres", "--device", "cpu", "--reduce", "--mode", "bicubic,detail"].map(String::from).to_vec();
        args.extend(["--input".into(), text(&path), "--reference".into(), text(&path), "--out".into(), text(&out)]);
        let answer = trainer(args);
        ok(&answer);
        assert_eq!(answer.out.matches("inf").count(), 4, "{}", answer.out);
    }
}

#[test]
fn an_unknown_camera_leaves_less_to_gain() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name);
    let run = |name: &str, extra: &[&str]| {
        let fast = ["--mode", "bicubic,detail", "--scale", "4"];
        let answer = trainer(small_job(folder.path(), &out(name), &[&fast[..], extra].concat()));
        ok(&answer);
        (metrics(&out(name)), answer)
    };
    let (own, _) = run("own", &[]);
    let (other, answer) = run("other", &["--camera", "0.3,0.6,0.01"]);
    assert!(answer.err.contains("reduced by a camera of 0."), "{}", answer.err);
    for mode in ["bicubic", "detail"] {
        assert!(psnr(&other, mode) < psnr(&own, mode), "{mode}: {other} {own}");
    }
    let (again, _) = run("again", &["--camera", "0.3,0.6,0.01"]);
    assert_eq!(psnr(&again, "detail"), psnr(&other, "detail"), "seeded");
    for wrong in ["0.3,0.6", "0.6,0.3,0.01", "a,b,c", "0.3,0.6,2"] {
        assert_eq!(trainer(small_job(folder.path(), &out("wrong"), &["--camera", wrong])).code, 2);
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let answer = trainer(small_job(folder.path(), &out, &["--dry-run"]));
    ok(&answer);
    for what in ["10 × 12", "40 × 48", "mip parameters", "steps at most"] {
        assert!(answer.out.contains(what), "{what} is not in\n{}", answer.out);
    }
    assert!(!out.exists());
}

fn says(answer: &Answer, code: i32, what: &str) {
    let lines: Vec<&str> = answer.err.lines().collect();
    let [.., error, hint] = lines.as_slice() else { panic!("{}", answer.err) };
    assert!(error.starts_with("error: ") && error.contains(what) && hint.starts_with("hint: "), "{}", answer.err);
    assert_eq!(answer.code, code, "{}", answer.err);
}

#[test]
fn what_cannot_be_enlarged_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (june, may) = pair(folder.path(), 48, 40);
    RgbImage::new(47, 40).save(path("odd.png")).unwrap();
    RgbImage::new(16, 16).save(path("small.png")).unwrap();
    image::ImageBuffer::from_fn(48, 40, |x, y| Rgb([x as u16, y as u16, 9])).save(path("deep.png")).unwrap();
    fs::write(path("torn.png"), &fs::read(&june).unwrap()[..99]).unwrap();
    let run = |input: &Path, extra: &[&str]| {
        let mut args = ["superres", "--device", "cpu", "--input"].map(String::from).to_vec();
        args.extend([text(input), "--out".into(), text(&path("out"))]);
        args.extend(extra.iter().map(ToString::to_string));
        trainer(args)
    };
    says(&run(&path("none.png"), &[]), 1, "none.png");
    says(&run(&path("torn.png"), &[]), 1, "torn.png");
    says(&run(&path("deep.png"), &[]), 2, "16-bit");
    says(&run(&path("odd.png"), &["--reduce"]), 2, "does not divide");
    says(&run(&path("small.png"), &["--reduce"]), 2, "too small");
    says(&run(&june, &["--mode", "mip"]), 2, "another date");
    says(&run(&june, &["--reference", &text(&may)]), 2, "not 160 x 192");
    says(&run(&june, &["--truth", &text(&path("odd.png"))]), 2, "odd.png");
    says(&run(&june, &["--steps", "0"]), 2, "at least 1");
    says(&run(&june, &["--held-out", "0.9"]), 2, "held-out");
    says(&run(&june, &["--window", "8", "--overlap", "8"]), 2, "overlap");
    says(&run(&june, &["--reduce", "--encoder", &text(&may)]), 1, "may.png");
    let small = ["--channels", "4", "--window", "8", "--overlap", "2", "--steps", "20", "--mode", "dip"];
    says(&run(&june, &[&small[..], &["--learning-rate", "1e30"]].concat()), 1, "not finite");
    assert_eq!(run(&june, &["--scale", "5"]).code, 2);
    assert!(!path("out").join("metrics.json").exists());
}
