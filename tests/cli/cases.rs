//! Inputs on which a command once hung, failed or said something else than what was wrong, as whole commands.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use raster::{Memory, Reader};

use crate::{Answer, trainer};

/// The inputs, unpacked.
fn cases() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let packed = flate2::read::GzDecoder::new(&include_bytes!("cases.tar.gz")[..]);
    tar::Archive::new(packed).unpack(folder.path()).unwrap();
    folder
}

fn shipped() -> String {
    solstice_tests::repository().join("public/models/compact-s.safetensors").display().to_string()
}

#[test]
fn a_probe_on_tiles_that_any_line_parts_ends() {
    let folder = cases();
    let data = folder.path().join("19_probe_hang").display().to_string();
    let start = Instant::now();
    let answer = trainer(["evaluate", "--encoder", &shipped(), "--data", &data, "--k", "1", "--device", "cpu"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.out.contains("k-NN 1") && answer.out.contains("linear"), "{}", answer.out);
    assert!(start.elapsed() < Duration::from_secs(240), "{:?}", start.elapsed());
}

#[test]
fn tiles_that_are_all_black_have_a_map() {
    let folder = cases();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let data = path("20_all_black");
    let answer =
        trainer(["embed", "--encoder", &shipped(), "--data", &data, "--out", &path("out"), "--csv", "--device", "cpu"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let csv = fs::read_to_string(path("out/embeddings.csv")).unwrap();
    assert_eq!(csv.lines().count(), 31);
    assert!(!csv.contains("NaN") && !csv.contains("inf"), "{csv}");
    let gallery = fs::read(path("out/gallery.safetensors")).unwrap();
    assert_eq!(shared::gallery::Gallery::from_bytes(&gallery).unwrap().count(), 30);
}

fn gather(folder: &Path, case: &str) -> (Answer, PathBuf) {
    let (stac, region) = (folder.join(case).join("catalog.json"), folder.join("region.geojson"));
    let out = folder.join("out");
    let mut args = vec!["gather", "--stac", stac.to_str().unwrap(), "--region", region.to_str().unwrap()];
    args.extend(["--locations", "1", "--px", "48", "--dates", "1", "--window-days", "20", "--bands", "B02,B03,B04"]);
    args.extend(["--reference-date", "2023-09-01", "--max-candidates", "400", "--out", out.to_str().unwrap()]);
    (trainer(args), out)
}

/// The files below a folder that end so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// Width, pixels, and the corner of the first pixel in metres, whichever point of a pixel the file names.
fn read(path: &Path) -> (usize, Vec<f32>, [f64; 2]) {
    let mut reader = Reader::open(Memory(fs::read(path).unwrap())).unwrap();
    let header = reader.header().clone();
    let (tie, scale) = (header.geo.tie_point.clone(), header.geo.pixel_scale.clone());
    // GTRasterTypeGeoKey (1025) of 2: the tie point is the middle of the pixel.
    let is_point = header.geo.keys.chunks_exact(4).skip(1).any(|key| key[0] == 1025 && key[3] == 2);
    let half = if is_point { 0.5 } else { 0.0 };
    let corner = [tie[3] - (tie[0] + half) * scale[0], tie[4] + (tie[1] + half) * scale[1]];
    (header.width, reader.read(&[0], 0..header.height).unwrap().bands.remove(0), corner)
}

#[test]
fn scenes_whose_pixels_are_points_are_gathered_where_they_lie() {
    let folder = cases();
    let (answer, out) = gather(folder.path(), "g13_point");
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.out.contains("1 places, 1 pictures"), "{}{}", answer.out, answer.err);
    let [patch] = &files(&out, "/B2.tif")[..] else { panic!("one patch") };
    let date = &patch.parent().unwrap().file_name().unwrap().to_str().unwrap()[..8];
    let (side, patch, [west, north]) = read(patch);
    assert_eq!(side, 48);
    let scene = folder.path().join(format!("g13_point/S2B_33UWP_{date}_0_L2A/B02.tif"));
    let (width, scene, [scene_west, scene_north]) = read(&scene);
    let steps = [(west - scene_west) / 10.0, (scene_north - north) / 10.0];
    assert!(steps.iter().all(|step| *step >= 0.0 && step.fract() == 0.0), "{steps:?}");
    let [column, row] = steps.map(|step| step as usize);
    // Processing baseline 05.09: numbers are 1000 too large, which gathering takes off.
    let window = (0..side).flat_map(|y| &scene[(row + y) * width + column..][..side]).map(|value| value - 1000.0);
    assert!(patch.iter().copied().eq(window), "the pixels that lie there");
}

#[test]
fn one_bad_item_costs_itself_alone() {
    let folder = cases();
    let (answer, out) = gather(folder.path(), "g31_one_bad_item");
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.err.contains("left out") && answer.err.contains("bad/item.json"), "{}", answer.err);
    assert!(answer.out.contains("1 places, 1 pictures"), "{}", answer.out);
    assert_eq!(files(&out, "/B2.tif").len(), 1);
    // A link that leads nowhere, too.
    fs::remove_file(folder.path().join("g31_one_bad_item/bad/item.json")).unwrap();
    fs::remove_dir_all(&out).unwrap();
    let (answer, _) = gather(folder.path(), "g31_one_bad_item");
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.err.contains("a broken link"), "{}", answer.err);
}
