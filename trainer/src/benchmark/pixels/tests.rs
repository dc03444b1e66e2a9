//! A whole change task and a whole segmentation task, on small trees of the published forms.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};

fn trainer(args: &[&str]) -> (i32, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = crate::run(std::iter::once("trainer").chain(args.iter().copied()), &mut out, &mut err, false);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn noise(x: u32, y: u32, salt: u32) -> u8 {
    (60 + (x * 7919 + y * 104_729 + salt * 31) % 40) as u8
}

/// LEVIR-CD's folders: a bright square is built.
fn change(root: &Path) {
    for (part, ids) in [("train", 0..6), ("val", 6..7), ("test", 7..9)] {
        for id in ids {
            let (left, top) = (id * 5 % 18, id * 7 % 18);
            let is_new = |x: u32, y: u32| (left..left + 14).contains(&x) && (top..top + 14).contains(&y);
            let save = |folder: &str, picture: &dyn Fn(&Path)| {
                let path = root.join(part).join(folder).join(format!("{id}.png"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                picture(&path);
            };
            save("A", &|path| RgbImage::from_fn(40, 32, |x, y| Rgb([noise(x, y, id); 3])).save(path).unwrap());
            save("B", &|path| {
                let value = |x, y| noise(x, y, id + 50) + if is_new(x, y) { 110 } else { 0 };
                RgbImage::from_fn(40, 32, |x, y| Rgb([value(x, y); 3])).save(path).unwrap();
            });
            save("label", &|path| {
                GrayImage::from_fn(40, 32, |x, y| Luma([if is_new(x, y) { 255 } else { 0 }])).save(path).unwrap();
            });
        }
    }
}

#[test]
fn change_is_found_mapped_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    change(&folder.path().join("LEVIR-CD"));
    let (data, out) = (folder.path().display().to_string(), folder.path().join("out"));
    let out_text = out.display().to_string();
    let args =
        ["benchmark", "--data", &data, "--task", "levir-cd", "--epochs", "12", "--out", &out_text, "--device", "cpu"];
    let (code, shown, said) = trainer(&args);
    assert_eq!(code, 0, "{said}");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let row = &report["rows"][0];
    assert_eq!((row["protocol"].as_str(), row["pictures"].to_string()), (Some("tiny"), "[6,1,2]".into()), "{shown}");
    let value = |at: usize| row["measures"][at]["value"].as_f64().unwrap();
    let (f1, iou) = (value(0), value(1));
    assert!((iou - f1 / (2.0 - f1)).abs() < 1e-9, "F1 {f1}, IoU {iou}");
    assert!(value(4) > 0.6, "F1 at the validation part's threshold: {}", value(4));
    let maps: Vec<_> = fs::read_dir(out.join("results/levir-cd/published/image-statistics/tiny")).unwrap().collect();
    assert_eq!(maps.len(), 2);
    let (code, again, said) = trainer(&args);
    assert!(code == 0 && again == shown && said.contains("1 results were there already"), "{said}");
}

#[test]
fn classes_are_mapped_and_what_has_none_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("loveda");
    for id in 0..6_u32 {
        for (part, mask) in [("images_png", false), ("masks_png", true)] {
            let path = root.join("Train/Rural").join(part).join(format!("{id}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            // Water below, fields above, a row without class between them.
            let (edge, salt) = (12 + id, id * 3);
            if mask {
                let class = |y: u32| {
                    if y == edge {
                        0
                    } else if y > edge {
                        4
                    } else {
                        7
                    }
                };
                GrayImage::from_fn(32, 32, |_, y| Luma([class(y)])).save(path).unwrap();
            } else {
                let value =
                    |x: u32, y: u32| if y > edge { [10, 40, noise(x, y, salt)] } else { [noise(x, y, salt), 120, 30] };
                RgbImage::from_fn(32, 32, |x, y| Rgb(value(x, y))).save(path).unwrap();
            }
        }
    }
    let (data, out) = (folder.path().display().to_string(), folder.path().join("out"));
    let out_text = out.display().to_string();
    let args =
        ["benchmark", "--data", &data, "--task", "loveda", "--epochs", "120", "--out", &out_text, "--device", "cpu"];
    let (code, _, said) = trainer(&args);
    assert_eq!(code, 0, "{said}");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let row = &report["rows"][0];
    assert_eq!(row["split"], "folds");
    assert!(row["measures"][0]["value"].as_f64().unwrap() > 0.6, "{row}");
    // Six pictures of 32 rows, of which one has no class.
    assert_eq!(row["details"]["pixels"], 6 * 31 * 32);
    let (code, _, said) = trainer(&[
        "benchmark",
        "--data",
        &data,
        "--task",
        "loveda",
        "--split",
        "published",
        "--out",
        &out_text,
        "--device",
        "cpu",
    ]);
    assert!(code == 0 && said.contains("left out: loveda, split published"), "{said}");
}
