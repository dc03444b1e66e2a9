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
    let labels = vec![0, 1, NO_LABEL, 1];
    Gallery { manifest, embeddings, labels, points, points_pca, precision: Precision::F16, nearest: Vec::new() }
}

/// The same in 8 bits, with two neighbours of each.
fn small() -> Gallery {
    Gallery { precision: Precision::Int8, nearest: vec![3, 1, 3, 0, 0, 3, 1, 0], ..sample() }
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
fn the_similarity_of_a_rank_is_that_of_the_other_tiles_in_order() {
    let read = Gallery::from_bytes(&sample().to_bytes().unwrap()).unwrap();
    for row in 0..4 {
        let own = read.embedding(row).unwrap();
        let cosine = |other: usize| own.iter().zip(read.embedding(other).unwrap()).map(|(a, b)| a * b).sum::<f32>();
        let mut others: Vec<f32> = (0..4).filter(|other| *other != row).map(cosine).collect();
        others.sort_by(|a, b| b.total_cmp(a));
        for (at, expected) in others.into_iter().enumerate() {
            let found = read.similarity_of_rank(row, at + 1).unwrap();
            assert!((found - expected).abs() < 1e-6, "row {row}, rank {}: {found} instead of {expected}", at + 1);
        }
        assert_eq!((read.similarity_of_rank(row, 0), read.similarity_of_rank(row, 4)), (None, None));
    }
    // The stored neighbours say which tile it is.
    let stored = Gallery::from_bytes(&small().to_bytes().unwrap()).unwrap();
    let [a, b] = [0, 3].map(|row| stored.embedding(row).unwrap());
    let expected: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    assert_eq!(stored.similarity_of_rank(0, 1), Some(expected));
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
    let changes: [fn(&mut Gallery); 9] = [
        |gallery| gallery.nearest = vec![0; 3],
        |gallery| gallery.nearest = vec![1, 2, 4, 0],
        |gallery| gallery.nearest = vec![1, 1, 3, 0],
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
fn eight_bits_keep_directions_and_stored_neighbours_vote() {
    let bytes = small().to_bytes().unwrap();
    let read = Gallery::from_bytes(&bytes).unwrap();
    assert_eq!((read.precision, read.nearest_stored(), &read.nearest), (Precision::Int8, 2, &small().nearest));
    // 3 : 4 is 95.25 : 127, of which 95 is kept.
    let length = 95.0_f32.hypot(127.0);
    let expected = [95.0 / length, 127.0 / length, 0.0];
    for (found, expected) in read.embeddings.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
    }
    assert_eq!(read.to_bytes().unwrap(), bytes, "8-bit rows do not change when they are written again");
    // Tile 2 has no class, so only tile 1 of tile 3's two neighbours … and both of tile 0's have River.
    let votes = read.votes(0..9, 2);
    assert_eq!(votes.len(), 4);
    assert_eq!((votes[0].class, votes[0].share), (Some(1), 1.0));
    assert_eq!(votes[0].nearest.map(|near| near.index), Some(3), "the list's first, whatever the embeddings say");
    // More neighbours than are stored: all pairs are compared, and of tile 1's the nearest is tile 3.
    assert_eq!(read.votes(1..2, 3)[0].nearest.map(|near| near.index), Some(3));
    assert_eq!(read.votes(1..2, 3), crate::leave_one_out::leave_one_out(&read.embeddings, 3, &read.labels, 2, 1..2, 3));
}

#[test]
fn another_order_takes_everything_along() {
    let moved = small().reordered(&[2, 0, 3, 1]).unwrap();
    assert_eq!(moved.manifest.names, ["c.jpg", "a.jpg", "d.jpg", "b.jpg"]);
    assert_eq!(moved.labels, [NO_LABEL, 0, 1, 1]);
    assert_eq!((moved.points[2], moved.points_pca[2]), (small().points[3], small().points_pca[3]));
    assert_eq!(&moved.embeddings[3..6], [3.0, 4.0, 0.0]);
    // Tile a's neighbours were d and b.
    assert_eq!(&moved.nearest[2..4], [2, 3]);
    for bad in [&[0, 1, 2][..], &[0, 1, 2, 2], &[0, 1, 2, 4], &[0, 1, 2, 3, 0]] {
        assert!(matches!(small().reordered(bad), Err(ArtifactError::Inconsistent(_))), "{bad:?}");
    }
}

#[test]
fn no_damage_goes_unnoticed_or_panics() {
    [sample(), small()].iter().for_each(damage);
}

fn damage(gallery: &Gallery) {
    let bytes = gallery.to_bytes().unwrap();
    let original = Gallery::from_bytes(&bytes).unwrap();
    let mut damaged = bytes.clone();
    for bit in 0..bytes.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Gallery::from_bytes(&damaged).is_err(), "bit {} of byte {}", bit % 8, bit / 8);
        damaged[bit / 8] = bytes[bit / 8];
    }
    let mut random = Random::new(5);
    for index in 0..50_000 {
        mutate(&bytes, &bytes, &mut random, &mut damaged);
        if let Ok(read) = Gallery::from_bytes(&damaged) {
            assert_eq!(read, original, "mutation {index} was taken for a gallery");
        }
    }
}
