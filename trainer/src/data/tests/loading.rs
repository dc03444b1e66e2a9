//! The loader: the same batches whatever the threads, damaged files replaced and named, bounded and stoppable.

use std::sync::Arc;

use shared::preprocess::Normalisation;

use super::*;
use crate::data::{Batch, Loader, LoaderConfig, Mixture, SourceKind};
use crate::views::ViewSet;

fn tree(folder: &Path) {
    for place in 0..7 {
        for date in 1..=4 {
            textured(&folder.join(format!("places/p{place}/2020-0{date}-01.png")), (20, 20), 10 * place + date);
        }
    }
    for number in 0..9 {
        textured(&folder.join(format!("flat/Forest/Forest_{number}.jpg")), (24, 24), 100 + number);
    }
}

fn mixture(folder: &Path) -> Arc<Mixture> {
    let open = |name: &str, weight: f64| {
        let source = SourceSpec::new(folder.join(name)).open(Path::new(""), &mut Vec::new()).unwrap();
        (source, Some(weight))
    };
    Arc::new(Mixture::new(vec![open("places", 2.0), open("flat", 1.0)]).unwrap())
}

fn config(threads: usize) -> LoaderConfig {
    let normalisation = Normalisation::new(vec![0.3, 0.4, 0.5], vec![0.2, 0.1, 0.3]).unwrap();
    LoaderConfig { batch: 6, px: 16, seed: 5, threads, samples_per_epoch: 20, normalisation }
}

fn batches(loader: &Loader, epoch: usize, first_step: usize) -> Vec<Batch> {
    loader.epoch(epoch, first_step).collect::<Result<_, _>>().unwrap()
}

#[test]
fn batches_do_not_depend_on_the_number_of_threads_or_where_an_epoch_starts() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path());
    let with = |threads| {
        let loader = Loader::new(mixture(folder.path()), ViewSet::seco(), config(threads)).unwrap();
        assert_eq!((loader.steps_per_epoch(), loader.threads()), (3, threads));
        (batches(&loader, 0, 0), batches(&loader, 1, 0), batches(&loader, 1, 2))
    };
    let (first, second, resumed) = with(1);
    assert_eq!((first.len(), resumed.len()), (3, 1));
    assert_eq!((first[0].views.len(), first[0].views[0].len(), first[0].n), (4, 6 * 3 * 16 * 16, 6));
    assert_eq!(resumed[0], second[2], "an epoch that is taken up goes on as if never left");
    assert_ne!(first[0].views, second[0].views);
    assert_eq!(with(2), (first.clone(), second.clone(), resumed.clone()));
    assert_eq!(with(5), (first, second, resumed));
}

#[test]
fn a_change_of_size_begins_with_the_next_epoch() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path());
    let loader = Loader::new(mixture(folder.path()), ViewSet::moco_tp(), config(2)).unwrap();
    let mut epoch = loader.epoch(0, 0);
    loader.set_px(8);
    assert_eq!(epoch.next().unwrap().unwrap().px, 16);
    drop(epoch); // stops the work in the middle of the epoch
    let batch = loader.epoch(1, 0).next().unwrap().unwrap();
    assert_eq!((batch.px, batch.views[1].len()), (8, 6 * 3 * 64));
}

#[test]
fn a_damaged_file_is_replaced_and_named_once() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path());
    std::fs::write(folder.path().join("flat/Forest/Forest_4.jpg"), b"\xff\xd8\xff\xe0 damaged").unwrap();
    let loader = Loader::new(mixture(folder.path()), ViewSet::moco_v2(), config(2)).unwrap();
    let all: Vec<Batch> = (0..4).flat_map(|epoch| batches(&loader, epoch, 0)).collect();
    let warnings: Vec<&Warning> = all.iter().flat_map(|batch| &batch.warnings).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].what.starts_with("cannot read Forest/Forest_4.jpg: "));
    assert!(all.iter().all(|batch| batch.places.len() == 6 && !batch.places.contains(&(1, 4))));
}

#[test]
fn files_that_all_break_after_opening_end_the_epoch_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path());
    let mixture = mixture(folder.path());
    std::fs::remove_dir_all(folder.path().join("flat")).unwrap();
    let loader = Loader::new(mixture, ViewSet::moco_v2(), config(2)).unwrap();
    let error = loader.epoch(0, 0).find_map(Result::err).unwrap().to_string();
    assert!(error.contains("flat: 9 places in a row cannot be read") && error.contains("\nhint: "), "{error}");
}

#[test]
fn views_are_normalised_and_views_of_other_types_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..4 {
        picture(&folder.path().join(format!("A/{number}.png")), 10, [51, 102, 153]);
    }
    let source = || SourceSpec::new(folder.path()).open(Path::new(""), &mut Vec::new()).unwrap();
    let one = || Arc::new(Mixture::new(vec![(source(), None)]).unwrap());
    let config = |batch, bands| LoaderConfig {
        batch,
        samples_per_epoch: 0,
        normalisation: Normalisation::identity(bands),
        ..config(1)
    };
    let mut set = ViewSet::moco_v2();
    set.views.iter_mut().for_each(|view| view.recipe.0.clear());
    let normalisation = Normalisation::new(vec![0.1, 0.2, 0.3], vec![0.1, 0.1, 0.1]).unwrap();
    let loader = Loader::new(one(), set, LoaderConfig { normalisation, ..config(2, 3) }).unwrap();
    let batch = loader.epoch(0, 0).next().unwrap().unwrap();
    let expected = [1.0, 2.0, 3.0]; // (0.2 − 0.1) / 0.1, …
    assert!(
        batch.views[1]
            .chunks(256)
            .zip(expected.iter().cycle())
            .all(|(plane, value)| plane.iter().all(|v| (v - value).abs() < 1e-5))
    );

    let refused =
        |batch, bands| Loader::new(one(), ViewSet::moco_v2(), config(batch, bands)).err().unwrap().to_string();
    assert!(refused(2, 12).contains("the normalisation has 12 bands, the data 3\nhint: "));
    assert!(refused(5, 3).contains("an epoch has 4 samples, fewer than one batch of 5\nhint: "));
    let mut deep = ImageBuffer::from_pixel(10, 10, Rgb([1000u16, 2, 3]));
    deep.put_pixel(0, 0, Rgb([1, 2, 3]));
    deep.save(folder.path().join("A/9.png")).unwrap();
    let (mixed, _) = open(&SourceSpec::new(folder.path()));
    let error = mixed.read(4, &[0], &mut crate::views::view_rng(0, 0, 0)).unwrap_err();
    assert_eq!(error.to_string(), "cannot read A/9.png: it holds 16-bit samples, the rest of the source 8-bit ones");
    assert_eq!(mixed.kind(), SourceKind::Folder);
}
