//! Galleries: a round trip, contradictions, and damage.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::artifact::tests::mutation::{Random, mutate};

fn sample() -> Gallery {
    let embeddings = vec![3.0, 4.0, 0.0, 0.0, 0.0, 2.0, -1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    let manifest = GalleryManifest {
        format_version: GALLERY_VERSION,
        model: "tiny".into(),
        model_sha256: "0".repeat(64),
        embedding_width: 3,
        classes: vec!["Forest".into(), "River".into()],
        names: ["a.jpg", "b.jpg", "c.jpg", "d.jpg"].map(String::from).to_vec(),
        layout: "umap".into(),
        atlas: Atlas { tile_px: 16, columns: 2, rows: 1, files: vec!["0.webp".into(), "1.webp".into()] },
        credit: "nobody".into(),
        sha256: String::new(),
    };
    let points = vec![[0.0, 1.0], [-2.5, 3.0], [0.5, 0.25], [9.0, -9.0]];
    let points_pca = points.iter().map(|[x, y]| [y - x, x + y]).collect();
    Gallery { manifest, embeddings, labels: vec![0, 1, NO_LABEL, 1], points, points_pca }
}

#[test]
fn a_round_trip_keeps_everything_and_normalises_embeddings() {
    let read = Gallery::from_bytes(&sample().to_bytes().unwrap()).unwrap();
    assert_eq!((read.count(), read.width()), (4, 3));
    assert_eq!(
        (&read.labels, &read.points, &read.points_pca),
        (&sample().labels, &sample().points, &sample().points_pca)
    );
    // 3-4-5 triangle; f16 keeps eleven bits
    let expected = [0.6, 0.8, 0.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0];
    for (found, expected) in read.embeddings.iter().zip(expected) {
        assert!((found - expected).abs() < 1.0 / 2048.0, "{found} instead of {expected}");
    }
    assert_eq!((read.class(0), read.class(2), read.class(4)), (Some("Forest"), None, None));
    let nearest = read.nearest(&[-0.1, 0.0, 7.0], 2);
    assert_eq!((nearest[0].index, nearest[1].index), (1, 3));
    assert!((nearest[0].similarity - 7.0 / 49.01f32.sqrt()).abs() < 1e-3);
}

#[test]
fn sprites_run_along_rows_and_over_pictures() {
    let atlas = Atlas { tile_px: 16, columns: 3, rows: 2, files: vec!["0".into(), "1".into()] };
    assert_eq!(atlas.sprite(4), Some(Sprite { file: 0, left_px: 16, top_px: 16 }));
    assert_eq!(atlas.sprite(6), Some(Sprite { file: 1, left_px: 0, top_px: 0 }));
    assert_eq!(atlas.sprite(12), None);
    assert_eq!(Atlas::default().sprite(0), None);
}

#[test]
fn parts_that_contradict_each_other_are_not_written() {
    let changes: [fn(&mut Gallery); 6] = [
        |gallery| gallery.labels[0] = 2,
        |gallery| gallery.labels.truncate(3),
        |gallery| gallery.points.truncate(3),
        |gallery| gallery.manifest.embedding_width = 0,
        |gallery| gallery.manifest.atlas.columns = 0,
        |gallery| gallery.manifest.atlas.files.truncate(1),
    ];
    for change in changes {
        let mut gallery = sample();
        change(&mut gallery);
        let error = gallery.to_bytes().unwrap_err();
        assert!(matches!(error, ArtifactError::Inconsistent(_)), "{error}");
    }
    let mut gallery = sample();
    gallery.points[1][0] = f32::NAN;
    assert_eq!(gallery.to_bytes(), Err(ArtifactError::NonFinite { name: "points".into() }));
}

#[test]
fn a_model_is_no_gallery_and_the_future_is_recognised() {
    let future = sample().to_bytes().unwrap();
    let field = br#"format_version\":"#;
    let at = future.windows(field.len()).position(|window| window == field).unwrap() + field.len();
    let mut bytes = future.clone();
    bytes[at] = b'9'; // instead of 1: the file stays well-formed
    let error = Gallery::from_bytes(&bytes).unwrap_err();
    assert_eq!(error, ArtifactError::FromTheFuture { found: 9, supported: GALLERY_VERSION });
    assert_eq!(crate::artifact::Artifact::from_bytes(&future), Err(ArtifactError::MissingManifest));
}

#[test]
fn no_damage_goes_unnoticed_or_panics() {
    let bytes = sample().to_bytes().unwrap();
    let original = Gallery::from_bytes(&bytes).unwrap();
    let mut damaged = bytes.clone();
    for bit in 0..bytes.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Gallery::from_bytes(&damaged).is_err(), "bit {} of byte {}", bit % 8, bit / 8);
        damaged[bit / 8] = bytes[bit / 8];
    }
    let mut random = Random::new(5);
    for index in 0..100_000 {
        mutate(&bytes, &bytes, &mut random, &mut damaged);
        if let Ok(read) = Gallery::from_bytes(&damaged) {
            assert_eq!(read, original, "mutation {index} was taken for a gallery");
        }
    }
}
