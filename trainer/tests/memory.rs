//! What a training keeps of its steps: one process of its own, so that nobody else's memory counts.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};

/// The most memory that this process ever had, MiB.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// LEVIR-CD's folders with pictures of 64 pixels.
fn pairs(root: &Path) {
    for (part, count) in [("train", 8), ("val", 1), ("test", 1)] {
        for folder in ["A", "B", "label"] {
            fs::create_dir_all(root.join(part).join(folder)).unwrap();
        }
        for id in 0..count {
            let value = |x: u32, y: u32, salt: u32| (60 + (x * 7919 + y * 104_729 + salt * 31) % 40) as u8;
            let at = |folder: &str| root.join(part).join(folder).join(format!("{id}.png"));
            for (salt, folder) in [(id, "A"), (id + 50, "B")] {
                RgbImage::from_fn(64, 64, |x, y| Rgb([value(x, y, salt); 3])).save(at(folder)).unwrap();
            }
            GrayImage::from_fn(64, 64, |x, _| Luma([if x < 20 { 255 } else { 0 }])).save(at("label")).unwrap();
        }
    }
}

/// Class folders with pictures of 64 pixels.
fn scenes(root: &Path) {
    for class in 0..3_u8 {
        let folder = root.join(class.to_string());
        fs::create_dir_all(&folder).unwrap();
        for id in 0..12_u8 {
            RgbImage::from_fn(64, 64, |x, y| Rgb([class * 80, (x + y) as u8, id]))
                .save(folder.join(format!("{id}.png")))
                .unwrap();
        }
    }
}

#[test]
fn more_epochs_take_no_more_memory() {
    let folder = tempfile::tempdir().unwrap();
    pairs(&folder.path().join("LEVIR-CD"));
    scenes(&folder.path().join("ucmerced"));
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../public/models/compact-s.safetensors");
    let run = |task: &str, protocol: &str, epochs: usize| {
        let out = folder.path().join(format!("{protocol}-{epochs}"));
        let [data, out, epochs] = [folder.path().display().to_string(), out.display().to_string(), epochs.to_string()];
        let args = ["trainer", "benchmark", "--data", &data, "--task", task, "--encoder", model, "--no-baselines"];
        let rest = ["--protocol", protocol, "--epochs", &epochs, "--out", &out, "--device", "cpu"];
        let (mut shown, mut said) = (Vec::new(), Vec::new());
        let code = trainer::run(args.into_iter().chain(rest), &mut shown, &mut said, false);
        assert_eq!(code, 0, "{}", String::from_utf8_lossy(&said));
    };
    // One step an epoch: a graph of the trunk that is kept holds 11 to 14 MiB of maps of each.
    for (task, protocol) in [("levir-cd", "tiny"), ("levir-cd", "seco-unet"), ("uc-merced", "seco-linear")] {
        run(task, protocol, 2);
        let before = peak_mib();
        run(task, protocol, 12);
        let grown = peak_mib() - before;
        assert!(grown < 60, "{protocol}: ten more epochs took {grown} MiB more");
    }
}
