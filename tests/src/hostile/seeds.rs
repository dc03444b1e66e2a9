//! Real files to damage: those of other tests, and small ones of every format written here.
#![expect(clippy::unwrap_used, reason = "a missing file fails the test")]

use std::io::{Cursor, Read};
use std::path::Path;

use burn::tensor::Device;
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, Rgba};
use shared::artifact::{Artifact, LinearHead, Manifest, Training, WeightFormat};
use shared::bands::Bands;
use shared::encoder::{Architecture, EncoderConfig, Stem};
use shared::preprocess::Normalisation;
use trainer::encoder_file::{EncoderDescription, write_encoder};

use crate::repository;

type Files = Vec<(String, Vec<u8>)>;

/// Files of the repository below `folder`.
fn files(folder: &str, names: &[&str]) -> Files {
    let file = |name: &&str| ((*name).to_owned(), std::fs::read(repository().join(folder).join(name)).unwrap());
    names.iter().map(file).collect()
}

/// The members of a tar, packed or not.
fn members(path: &str, test: impl Fn(&str) -> bool) -> Files {
    let bytes = std::fs::read(repository().join(path)).unwrap();
    let reader: Box<dyn Read> = match path.ends_with("gz") {
        true => Box::new(flate2::read::GzDecoder::new(Cursor::new(bytes))),
        false => Box::new(Cursor::new(bytes)),
    };
    let mut found = Files::new();
    for entry in tar::Archive::new(reader).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        if entry.header().entry_type().is_file() && test(&name) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            found.push((name, bytes));
        }
    }
    found
}

/// TIFFs of every kind, written by GDAL and tifffile.
pub fn tiffs() -> Files {
    let mut all = members("shared/raster/tests/matrix.tar.gz", |name| name.ends_with(".tif"));
    all.retain(|(_, bytes)| bytes.len() < 40_000);
    all
}

/// Pictures of every format, those that once failed among them.
pub fn pictures() -> Files {
    let mut all = members("trainer/src/data/tests/cases.tar", |name| !name.ends_with(".json"));
    all.retain(|(_, bytes)| bytes.len() < 60_000);
    all.extend(tiffs().into_iter().step_by(9));
    let rgb = ImageBuffer::from_fn(37, 29, |x, y| Rgb([(7 * x) as u8, (5 * y) as u8, (x * y) as u8]));
    let rgba = ImageBuffer::from_fn(19, 23, |x, y| Rgba([(9 * x) as u8, (5 * y) as u8, 80, (x * y) as u8]));
    let deep = ImageBuffer::from_fn(21, 17, |x, y| Luma([(x * 900 + y * 70) as u16]));
    let mut add = |name: &str, picture: DynamicImage, format: ImageFormat| {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        all.push((name.to_owned(), bytes.into_inner()));
    };
    for (ending, format) in [("jpg", ImageFormat::Jpeg), ("png", ImageFormat::Png), ("webp", ImageFormat::WebP)] {
        add(&format!("rgb.{ending}"), rgb.clone().into(), format);
        if format != ImageFormat::Jpeg {
            add(&format!("rgba.{ending}"), rgba.clone().into(), format);
        }
    }
    add("deep.png", deep.into(), ImageFormat::Png);
    all.extend(arrays());
    all
}

/// NumPy's arrays.
pub fn arrays() -> Files {
    let array = |kind: &str, is_fortran: &str, shape: &str, bytes: usize| {
        let header = format!("{{'descr': '{kind}', 'fortran_order': {is_fortran}, 'shape': ({shape}), }}\n");
        let data = (0..bytes).map(|at| (at * 31) as u8).collect::<Vec<_>>();
        let file = [&b"\x93NUMPY\x01\0"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), &data].concat();
        (format!("{kind} {shape}"), file)
    };
    vec![
        array("|u1", "False", "9, 7, 3", 189),
        array("<u2", "False", "12, 8, 8", 1536),
        array(">i2", "True", "8, 8, 4", 512),
        array("<f4", "False", "1, 4, 6, 6", 576),
        array("<f8", "True", "6, 5", 240),
        array("<f2", "False", "4, 6, 5", 240),
    ]
}

/// Lists of pictures.
pub fn lists() -> Files {
    let texts = [
        "a/1.png\na/2.png\nb/3.png\n",
        "Filename,Label,ClassName\na/1.png,0,agriculture\nb/2.png,1,\"water, deep\"\n",
        "\u{feff}image;class\n\"x\\1.tif\";\"caf\u{e9}\"\n./y/2.tif;z\n",
        "a/1.png 0\nb/2.png 1\n",
        "label\tpath\nx\ttrain/a/0001.jpg\ny\tval/b/0001.jpg\n",
        "a/1.png\na/2.png,x\n",
    ];
    texts.iter().enumerate().map(|(at, text)| (at.to_string(), text.as_bytes().to_vec())).collect()
}

const TINY: EncoderConfig = EncoderConfig { architecture: Architecture::CompactXs, stem: Stem::Small, bands: 3 };

/// Exported models.
pub fn artifacts() -> Files {
    let encoder = TINY.init_folded(&Device::flex()).named_tensors();
    let mut manifest = Manifest::new("tiny", TINY, Bands::rgb(), Normalisation::imagenet(), 16);
    manifest.folded = true;
    manifest.classes = vec!["a".to_owned(), "b".to_owned()];
    let width = manifest.embedding_width;
    let head = LinearHead { weight: vec![0.25; 2 * width], bias: vec![0.0; 2] };
    let artifact = Artifact { manifest, encoder, readout: None, head: Some(head), projections: Vec::new() };
    let formats = [WeightFormat::F16, WeightFormat::Int8];
    formats.iter().map(|format| (format!("{format:?}"), artifact.to_bytes(*format).unwrap())).collect()
}

/// Galleries of tiles.
pub fn galleries() -> Files {
    files("shared/tests/fixtures", &["gallery-v1.safetensors"])
}

/// What a training writes.
pub fn encoders() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encoder.safetensors");
    let description = EncoderDescription {
        encoder: TINY,
        bands: Bands::rgb(),
        normalisation: Normalisation::imagenet(),
        input_px: 16,
        training: Training { method: "seco".into(), data: "tiles".into(), epochs: 1, seed: 0, steps: 1 },
    };
    write_encoder(&path, &description, TINY.init(&Device::flex()).named_tensors(), &[]).unwrap();
    vec![("encoder".to_owned(), std::fs::read(&path).unwrap())]
}

/// Checkpoints of PyTorch.
pub fn state_dicts() -> Files {
    files("shared/tests/fixtures", &["moco.pth", "no_encoder.pth", "seco.ckpt", "torchvision.pth"])
}

/// Tars of pictures, with links and a member that is there twice.
pub fn tars() -> Files {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in [("a/1.png", &b"one"[..]), ("a/2.png", b"two"), ("a/1.png", b"again"), ("./b/3.png", b"three")]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    for (kind, name, target) in [
        (tar::EntryType::Link, "b/hard.png", "a/2.png"),
        (tar::EntryType::Symlink, "b/soft.png", "../a/1.png"),
        (tar::EntryType::Symlink, "b/loop.png", "loop.png"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, name, Path::new(target)).unwrap();
    }
    let long = format!("{}/4.png", "long".repeat(40));
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    builder.append_data(&mut header, long, &b"four"[..]).unwrap();
    vec![("pictures".to_owned(), builder.into_inner().unwrap())]
}

/// STAC items, alone and in a collection.
pub fn items() -> Files {
    let mut all =
        members("trainer/gather/tests/archive.tar.gz", |name| name.ends_with("json") && !name.contains("expected"));
    all.retain(|(_, bytes)| bytes.len() < 60_000);
    let item = r#"{"type":"Feature","stac_version":"1.0.0","id":"x","bbox":[179.0,-20.0,-179.0,-10.0],"geometry":null,"links":[],
        "properties":{"datetime":"2021-09-15T10:00:00Z","eo:cloud_cover":3.5,"proj:epsg":"32633","s2:processing_baseline":"05.09",
        "proj:wkt2":"PROJCRS[\"x\",ID[\"EPSG\",32633]]"},"assets":{"B02":{"href":"s3://bucket/B02.tif","raster:bands":
        [{"offset":-1000,"scale":0.0001}],"alternate":{"https":{"href":"https://host/B02.tif"}}},"SCL":{"href":"./SCL.tif"}}}"#;
    all.push(("item".to_owned(), item.as_bytes().to_vec()));
    all.push(("collection".to_owned(), format!(r#"{{"type":"FeatureCollection","features":[{item}]}}"#).into_bytes()));
    all
}

/// Regions.
pub fn regions() -> Files {
    let texts = [
        r#"{"type":"Polygon","coordinates":[[[177,-19],[-178,-19],[-178,-16],[177,-16],[177,-19]]]}"#,
        r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"x"},"geometry":{"type":"Polygon",
            "coordinates":[[[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[6,4],[6,6],[4,6],[4,4]]]}}]}"#,
        r#"{"type":"GeometryCollection","geometries":[{"type":"MultiPolygon","coordinates":[[[[1.5,2.5],[3,2.5,7],[3,4]]]]},
            {"type":"Point","coordinates":[1,2]}]}"#,
    ];
    texts.iter().enumerate().map(|(at, text)| (at.to_string(), text.as_bytes().to_vec())).collect()
}
