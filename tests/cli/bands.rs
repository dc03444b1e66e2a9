//! Twelve bands out of files that hold thirteen, through every command: from patches on a disk to the page's own answer.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use shared::bands::Bands;
use shared::embedder::Embedder;
use shared::tile::Tile;

use crate::{Answer, trainer};

const SIDE: usize = 24;
const CLASSES: [&str; 3] = ["Field", "Forest", "Water"];
/// What the files hold: Sentinel-2's level 1C, of which the encoder reads all but B10.
const FILE_BANDS: &str = "[B01,B02,B03,B04,B05,B06,B07,B08,B8A,B09,B10,B11,B12]";
const B10: usize = 10;

/// Digital numbers of a patch, `[SIDE · SIDE, 13]`: each class has its spectrum, each patch its pattern, and B10 is noise
/// that would spoil everything if it were read.
fn patch(class: usize, number: usize) -> Vec<u16> {
    let noise = |seed: usize| (seed as u64).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) >> 48;
    let value = |pixel: usize, band: usize| {
        let (x, y) = (pixel % SIDE, pixel / SIDE);
        let spectrum = 400 + 200 * ((band * (class + 2) + 3 * class) % 7);
        let pattern = 40 * ((x * (class + 1) + y * 2 + 3 * number) % 5);
        let own = noise(pixel + 1_000 * number + 100_000 * class + 31 * band) % 90;
        if band == B10 { (1 + own * 700) as u16 } else { (spectrum + pattern) as u16 + own as u16 }
    };
    (0..SIDE * SIDE).flat_map(|pixel| (0..13).map(move |band| value(pixel, band))).collect()
}

/// The bands that the encoder reads, of numbers side by side.
fn twelve(values: &[u16]) -> Vec<u16> {
    values.chunks_exact(13).flat_map(|pixel| [&pixel[..B10], &pixel[B10 + 1..]].concat()).collect()
}

/// A GeoTIFF in UTM zone 33: 16 bits, bands side by side, one strip.
fn geotiff(values: &[u16], bands: usize) -> Vec<u8> {
    let side = SIDE as u64;
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let short = |values: &[u16]| (3u16, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    let long = |value: u64| (4u16, (value as u32).to_le_bytes().to_vec());
    let double = |values: &[f64]| (12u16, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    let tags = [
        (256u16, long(side)),
        (257, long(side)),
        (258, short(&vec![16; bands])),
        (259, short(&[1])),
        (262, short(&[1])),
        (273, long(8)),
        (277, short(&[bands as u16])),
        (278, long(side)),
        (279, long(data.len() as u64)),
        (338, short(&vec![0; bands - 1])),
        (33_550, double(&[10.0, 10.0, 0.0])),
        (33_922, double(&[0.0, 0.0, 0.0, 600_000.0, 5_340_000.0, 0.0])),
        (34_735, short(&[1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32_633])),
    ];
    let directory_at = 8 + data.len();
    let mut beside_at = directory_at + 2 + 12 * tags.len() + 4;
    let mut file = [&b"II*\0"[..], &(directory_at as u32).to_le_bytes(), &data].concat();
    let mut beside = Vec::new();
    file.extend((tags.len() as u16).to_le_bytes());
    for (tag, (kind, bytes)) in tags {
        let width = match kind {
            3 => 2,
            4 => 4,
            _ => 8,
        };
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend(((bytes.len() / width) as u32).to_le_bytes());
        if bytes.len() <= 4 {
            file.extend(bytes.iter().copied().chain([0; 4]).take(4));
        } else {
            file.extend((beside_at as u32).to_le_bytes());
            beside_at += bytes.len();
            beside.extend(bytes);
        }
    }
    file.extend([0; 4]);
    file.extend(beside);
    file
}

/// The same numbers as NumPy saves `[13, SIDE, SIDE]`.
fn npy(values: &[u16]) -> Vec<u8> {
    let header = format!("{{'descr': '<u2', 'fortran_order': False, 'shape': (13, {SIDE}, {SIDE}), }}\n");
    let planes = (0..13).flat_map(|band| values.iter().skip(band).step_by(13)).flat_map(|value| value.to_le_bytes());
    let head = [&b"\x93NUMPY\x01\0"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    head.into_iter().chain(planes).collect()
}

/// A folder of `<class>/<number>` for each format, and dated places.
struct Workshop {
    folder: tempfile::TempDir,
}

const PATCHES: usize = 16;
/// A study of one run.
const GRID: &str = r#"preset = "luperson"
set = ["method.queue=32", "method.norm_splits=1"]
temperatures = [0.2]
seeds = [1]
[[views]]
name = "plain"
view = [{ flip_horizontal = { p = 0.5 } }]
"#;

impl Workshop {
    fn new() -> Self {
        let own = Self { folder: tempfile::tempdir().unwrap() };
        let put = |name: String, bytes: Vec<u8>| {
            let path = own.path(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        for (class, name) in CLASSES.iter().enumerate() {
            for number in 0..PATCHES {
                let values = patch(class, number);
                put(format!("tif/{name}/{number}.tif"), geotiff(&values, 13));
                put(format!("npy/{name}/{number}.npy"), npy(&values));
            }
            for month in [1, 5, 9] {
                put(format!("places/{name}/2020-0{month}-15.tif"), geotiff(&patch(class, month), 13));
            }
        }
        let list = |range: std::ops::Range<usize>| {
            let line = |name: &&str, number: usize| format!("{name}/{number}.tif,{name}\n");
            range.flat_map(|number| CLASSES.iter().map(move |name| line(name, number))).collect::<String>()
        };
        put("train.csv".into(), list(0..9).into_bytes());
        put("val.csv".into(), list(9..12).into_bytes());
        put("test.csv".into(), list(12..PATCHES).into_bytes());
        own
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command whose words name files of the workshop by a leading `@`, and its sources of bands by a leading `+`.
    fn try_run(&self, line: &str) -> Answer {
        let word = |word: &str| match (word.strip_prefix('@'), word.strip_prefix('+')) {
            (Some(name), _) => self.path(name).display().to_string(),
            (_, Some(name)) => {
                let kind = if name == "places" { "places" } else { "folder" };
                format!("kind={kind},path={},file_bands={FILE_BANDS}", self.path(name).display())
            }
            _ => word.to_owned(),
        };
        trainer(line.split_whitespace().map(word))
    }

    fn run(&self, line: &str) -> Answer {
        let answer = self.try_run(line);
        assert_eq!(answer.code, 0, "{line}: {}", answer.err);
        answer
    }

    fn pretrain(&self) {
        self.run(&format!("pretrain --preset demo --data +tif --out @run {}", Self::settings("demo")));
    }

    fn settings(preset: &str) -> String {
        let bands = serde_json::to_string(&Bands::sentinel_2_l2a()).unwrap();
        let list = |value: f32| format!("{:?}", [value; 12]).replace(' ', "");
        let mut all = vec![
            format!("tiles.bands={bands}"),
            format!("tiles.mean={}", list(0.1)),
            format!("tiles.std={}", list(0.05)),
        ];
        let own: &[&str] = match preset {
            "demo" => &["method.queue=32", "method.norm_splits=2", "train.schedule={kind=\"constant\"}"],
            _ => &[],
        };
        let common =
            ["run.device=cpu", "train.epochs=1", "train.batch=8", "train.crop_px=[[0,16]]", "tiles.input_px=24"];
        all.extend(common.iter().chain(own).map(ToString::to_string));
        all.extend(["encoder.architecture=compact-xs", "encoder.stem=small"].map(String::from));
        all.iter().map(|setting| format!("--set {setting} ")).collect()
    }

    /// Names and embeddings that `trainer embed` wrote.
    fn embedded(&self, out: &str) -> Vec<(String, Vec<f32>)> {
        let text = fs::read_to_string(self.path(out).join("embeddings.csv")).unwrap();
        let row = |line: &str| {
            let mut fields = line.split(',');
            let name = fields.next().unwrap().to_owned();
            (name, fields.skip(1).map(|value| value.parse().unwrap()).collect())
        };
        text.lines().skip(1).map(row).collect()
    }

    /// What the library answers for a patch, given its reflectance by hand.
    fn answer(&self, model: &Path, class: usize, number: usize) -> Vec<f32> {
        let embedder = Embedder::load(&fs::read(model).unwrap(), &Device::flex()).unwrap();
        assert_eq!(embedder.manifest().bands, Bands::sentinel_2_l2a());
        let values = twelve(&patch(class, number));
        let planes = (0..12).flat_map(|band| values.iter().skip(band).step_by(12));
        let tile = Tile::new(12, SIDE, SIDE, planes.map(|dn| f32::from(*dn) / 10_000.0).collect()).unwrap();
        pollster::block_on(embedder.embed(&[tile])).unwrap().remove(0)
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn twelve_bands_from_patches_to_an_answer() {
    let shop = Workshop::new();
    shop.pretrain();
    let evaluated = shop.run("evaluate --encoder @run --data +tif --k 3 --device cpu");
    assert!(evaluated.out.contains("k-NN 3"), "{}", evaluated.out);
    shop.run("embed --encoder @run --data +tif --out @by-run --csv --device cpu");
    shop.run("export --encoder @run --data +tif --out @models --name mean --readout mean --format f32 --device cpu");
    shop.run(
        "export --encoder @run --data +tif --train-split @train.csv --val-split @val.csv --test-split @test.csv \
         --out @models --name m --gallery @gallery --gallery-tiles 9 --onnx --device cpu",
    );
    for (model, out) in [("mean", "by-mean"), ("m", "by-model")] {
        shop.run(&format!("embed --encoder @models/{model}.safetensors --data +tif --out @{out} --csv --device cpu"));
    }
    shop.run("embed --encoder @models/m.safetensors --data +npy --out @by-array --csv --device cpu");
    let (model, mean) = (shop.path("models/m.safetensors"), shop.path("models/mean.safetensors"));
    for (class, name) in CLASSES.iter().enumerate() {
        let of = |out: &str, ending: &str| {
            let wanted = format!("{name}/7.{ending}");
            let rows = shop.embedded(out);
            assert_eq!(rows.len(), CLASSES.len() * PATCHES);
            rows.into_iter().find(|(name, _)| *name == wanted).unwrap().1
        };
        let expected = shop.answer(&mean, class, 7);
        for out in ["by-run", "by-mean"] {
            let found = cosine(&of(out, "tif"), &expected);
            assert!(found >= 0.9999, "{out}, {name}: {found}");
        }
        let expected = shop.answer(&model, class, 7);
        for (out, ending) in [("by-model", "tif"), ("by-array", "npy")] {
            let found = cosine(&of(out, ending), &expected);
            assert!(found >= 0.9999, "{out}, {name}: {found}");
        }
    }
}

#[test]
fn every_command_takes_the_bands_of_a_source() {
    let shop = Workshop::new();
    shop.pretrain();
    for line in ["inspect-data +tif", "inspect-data --data +npy", "inspect-data +places"] {
        let seen = shop.run(line);
        assert!(seen.out.contains("B10") && !seen.out.contains("band1"), "{line}: {}", seen.out);
    }
    let seasons = shop.run("seasons --encoder @run --data +places --device cpu");
    assert!(seasons.out.contains("3 places, 9 pictures"), "{}", seasons.out);
    shop.run(&format!("distill --teacher @run --data +npy --out @small --dry-run {}", Workshop::settings("distill")));
    fs::write(shop.path("grid.toml"), GRID).unwrap();
    shop.run(&format!(
        "study --grid @grid.toml --data +tif --labelled +tif --train-split @train.csv --val-split @val.csv --out @study \
         --device cpu {}",
        Workshop::settings("study")
    ));
    shop.run("export --encoder @run --data +tif --out @site/models --name m --gallery @site/gallery --device cpu");
    shop.run("publish --site @site --model m --data +tif --test-split @test.csv --samples 1");
    let expected: serde_json::Value =
        serde_json::from_slice(&fs::read(shop.path("site/models/expected.json")).unwrap()).unwrap();
    assert_eq!(expected["tiles"].as_array().unwrap().len(), CLASSES.len());
    for (class, sample) in ["12.tif", "Forest_12.tif", "Water_12.tif"].iter().enumerate() {
        let bytes = fs::read(shop.path("site/samples").join(sample)).unwrap();
        assert_eq!(bytes, geotiff(&patch(class, 12), 13), "{sample} is the file itself, though all have one name");
    }
}

#[test]
fn bands_that_are_not_there_are_asked_for() {
    let shop = Workshop::new();
    shop.pretrain();
    let plain = shop.try_run("embed --encoder @run --data @tif --out @e --device cpu");
    assert!(plain.code != 0 && plain.err.contains("file_bands") && plain.err.contains("\nhint: "), "{}", plain.err);
    // As many bands as the encoder reads, without names: taken in its order, and said.
    for number in 0..2 {
        fs::create_dir_all(shop.path("nameless/x")).unwrap();
        let path = shop.path(&format!("nameless/x/{number}.tif"));
        fs::write(path, geotiff(&twelve(&patch(0, number)), 12)).unwrap();
    }
    let assumed = shop.run("embed --encoder @run --data @nameless --out @n --csv --device cpu");
    assert!(assumed.err.contains("do not name their 12 bands"), "{}", assumed.err);
    shop.run("embed --encoder @run --data +tif --out @t --csv --device cpu");
    let named = shop.embedded("t").into_iter().find(|(name, _)| name == "Field/1.tif").unwrap().1;
    assert!(cosine(&shop.embedded("n")[1].1, &named) > 0.9999);
}

/// With `SOLSTICE_EXPECTED_DIR` set: a model of twelve bands, patches with twelve and with thirteen, and what the trainer makes
/// of them, for `tests/browser/bands.test.mjs`.
#[test]
fn files_for_the_page_of_twelve_bands() {
    let Some(folder) = std::env::var_os("SOLSTICE_EXPECTED_DIR") else { return };
    let folder = PathBuf::from(folder).join("bands");
    fs::create_dir_all(&folder).unwrap();
    let shop = Workshop::new();
    shop.pretrain();
    shop.run("export --encoder @run --data +tif --out @models --name twelve --readout mean --format f32 --device cpu");
    let model = shop.path("models/twelve.safetensors");
    fs::copy(&model, folder.join("twelve.safetensors")).unwrap();
    let embedder = Embedder::load(&fs::read(&model).unwrap(), &Device::flex()).unwrap();
    let mut tiles = Vec::new();
    for (class, name) in CLASSES.iter().enumerate() {
        let values = patch(class, 3);
        let embedding = shop.answer(&model, class, 3);
        let probabilities = embedder.probabilities(&embedding).unwrap();
        let best = shared::compare::argmax(&probabilities).unwrap();
        for (file, bytes) in [
            (format!("{name}-12.tif"), geotiff(&twelve(&values), 12)),
            (format!("{name}-13.tif"), geotiff(&values, 13)),
        ] {
            fs::write(folder.join(&file), bytes).unwrap();
            let class = &embedder.manifest().classes[best];
            tiles.push(serde_json::json!({ "file": file, "class": class, "embedding": embedding }));
        }
    }
    fs::write(folder.join("expected.json"), serde_json::json!({ "tiles": tiles }).to_string()).unwrap();
}
