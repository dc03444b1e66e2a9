//! A small BigEarthNet and a small UC Merced, in the real forms.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::Path;

use image::{ImageBuffer, Luma, Rgb, RgbImage};

fn trainer(args: &[&str]) -> (i32, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = crate::run(std::iter::once("trainer").chain(args.iter().copied()), &mut out, &mut err, false);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// Patches of water, of fields, of both, or of an airport alone.
fn big_earth_net(root: &Path, patches: usize) {
    for patch in 0..patches {
        let name = format!("S2A_MSIL2A_20170613T101031_{patch}_48");
        let folder = root.join(&name);
        fs::create_dir_all(&folder).unwrap();
        let [water, field] = [patch % 4 == 0 || patch % 4 == 2, patch % 4 == 1 || patch % 4 == 2];
        for (band, px, step) in [
            ("B01", 20, 0),
            ("B02", 120, 1),
            ("B03", 120, 2),
            ("B04", 120, 3),
            ("B05", 60, 4),
            ("B06", 60, 5),
            ("B07", 60, 6),
            ("B08", 120, 7),
            ("B8A", 60, 8),
            ("B09", 20, 9),
            ("B11", 60, 10),
            ("B12", 60, 11),
        ] {
            let value = |x: u32, y: u32| {
                let noise = ((x * 7919 + y * 13 + patch as u32 * 31) % 200) as u16;
                300 + noise + if water { 900 * (step % 2) } else { 0 } + if field { 700 * (step % 3) } else { 0 }
            };
            let picture = ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(px, px, |x, y| Luma([value(x, y)]));
            picture.save(folder.join(format!("{name}_{band}.tif"))).unwrap();
        }
        let mut labels = Vec::new();
        labels.extend(water.then_some("\"Water bodies\""));
        labels.extend(field.then_some("\"Rice fields\""));
        if labels.is_empty() {
            labels.push("\"Airports\"");
        }
        let text = format!("{{\"labels\": [{}], \"projection\": \"x\"}}", labels.join(", "));
        fs::write(folder.join(format!("{name}_labels_metadata.json")), text).unwrap();
    }
}

#[test]
fn big_earth_net_has_19_or_43_labels() {
    let folder = tempfile::tempdir().unwrap();
    big_earth_net(&folder.path().join("BigEarthNet-v1.0"), 48);
    let (data, out) = (folder.path().display().to_string(), folder.path().join("out"));
    let out_text = out.display().to_string();
    let args = [
        "benchmark",
        "--data",
        &data,
        "--task",
        "bigearthnet-19,bigearthnet-43",
        "--out",
        &out_text,
        "--device",
        "cpu",
    ];
    let (code, shown, said) = trainer(&args);
    assert_eq!(code, 0, "{said}");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let [nineteen, all] = [0, 1].map(|at| &report["rows"][at]);
    // A quarter of the patches has airports alone.
    assert_eq!(nineteen["pictures"].to_string(), "[18,4,14]", "{shown}");
    assert!(nineteen["notes"].to_string().contains("12 pictures without any label"), "{nineteen}");
    assert_eq!(all["details"]["labels"].as_array().unwrap().len(), 43);
    for row in [nineteen, all] {
        let value = |at: usize| row["measures"][at]["value"].as_f64().unwrap();
        assert!(value(0) > 0.95 && value(1) > 0.95, "{row}");
        assert_eq!(row["measures"][2]["name"], "batch-averaged mAP");
        // One batch holds all of so few.
        assert!((value(2) - value(0)).abs() < 1e-12);
    }
    assert!(fs::read_to_string(out.join("report.md")).unwrap().contains("micro mAP averaged over batches"));
}

#[test]
fn lists_name_patches() {
    let folder = tempfile::tempdir().unwrap();
    big_earth_net(&folder.path().join("BigEarthNet-v1.0"), 16);
    let list = |rows: std::ops::Range<usize>| -> String {
        rows.map(|patch| format!("S2A_MSIL2A_20170613T101031_{patch}_48\r\n")).collect()
    };
    for (name, rows) in [("train", 0..9), ("val", 9..12), ("test", 12..16)] {
        fs::write(folder.path().join(format!("bigearthnet-{name}.csv")), list(rows)).unwrap();
    }
    let (data, out) = (folder.path().display().to_string(), folder.path().join("out"));
    let out_text = out.display().to_string();
    let args = ["benchmark", "--data", &data, "--task", "bigearthnet-43", "--out", &out_text, "--device", "cpu"];
    assert_eq!(trainer(&args).0, 0);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(
        (report["rows"][0]["split"].as_str(), report["rows"][0]["pictures"].to_string()),
        (Some("published"), "[9,3,4]".into())
    );
}

#[test]
fn uc_merced_has_a_table_beside_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("UCMerced_LandUse/Images");
    let mut table = "IMAGE\\LABEL\tsea\tsand\t\r\n".to_owned();
    for index in 0..40_u32 {
        let (sea, sand) = (index % 2 == 0, index % 3 == 0);
        let path = root.join("beach").join(format!("beach{index:02}.tif"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let value = |x: u32, y: u32| {
            let noise = ((x * 31 + y * 17 + index) % 20) as u8;
            [40 + noise + if sand { 120 } else { 0 }, 60, 50 + noise + if sea { 130 } else { 0 }]
        };
        RgbImage::from_fn(32, 32, |x, y| Rgb(value(x, y))).save(path).unwrap();
        table.push_str(&format!("beach{index:02}\t{}\t{}\t\r\n", u8::from(sea), u8::from(sand)));
    }
    fs::write(folder.path().join("LandUse_Multilabeled.txt"), table).unwrap();
    fs::write(root.join(".DS_Store"), b"clutter").unwrap();
    let (data, out) = (folder.path().display().to_string(), folder.path().join("out"));
    let out_text = out.display().to_string();
    let (code, shown, said) = trainer(&[
        "benchmark",
        "--data",
        &data,
        "--task",
        "uc-merced-multilabel",
        "--out",
        &out_text,
        "--device",
        "cpu",
    ]);
    assert_eq!(code, 0, "{said}");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let measure = &report["rows"][0]["measures"][0];
    assert_eq!(measure["draws"], 5, "{shown}");
    assert!(measure["value"].as_f64().unwrap() > 0.95, "{measure}");
}
