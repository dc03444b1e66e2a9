//! Nothing that is tested on is trained on: what a run has seen is on record by content, and an evaluation tells.

use crate::distill::small_distillation;
use crate::{Answer, site, small_cluster_run, small_run, trainer};
use std::fs;
use std::path::{Path, PathBuf};

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn ok(answer: &Answer) {
    assert_eq!(answer.code, 0, "{}", answer.err);
}

/// Tiles 0 to 27 of both classes for training, 28 to 33 for validation, 34 to 39 for the test, in lists.
struct Data {
    _folder: tempfile::TempDir,
    tiles: PathBuf,
    lists: [PathBuf; 3],
}

impl Data {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tiles = folder.path().join("tiles");
        site::tiles(&tiles, 40);
        let lists = [("train", 0..28), ("val", 28..34), ("test", 34..40)].map(|(name, numbers)| {
            let path = folder.path().join(format!("{name}.csv"));
            let lines = numbers.flat_map(|at| ["Field", "Water"].map(|class| format!("{class}/{class}_{at}.jpg\n")));
            fs::write(&path, lines.collect::<String>()).unwrap();
            path
        });
        Self { _folder: folder, tiles, lists }
    }

    fn path(&self, name: &str) -> PathBuf {
        self._folder.path().join(name)
    }

    fn pretrain(&self, source: &str, out: &Path) -> Answer {
        let mut args = small_run(&self.tiles, out);
        let at = args.iter().position(|arg| arg == "--data").unwrap();
        source.clone_into(&mut args[at + 1]);
        trainer(args)
    }

    fn evaluate(&self, encoder: &Path, lists: &[PathBuf; 3]) -> Answer {
        let [train, val, test] = lists.each_ref().map(|list| text(list));
        trainer([
            "evaluate",
            "--encoder",
            &text(encoder),
            "--data",
            &text(&self.tiles),
            "--device",
            "cpu",
            "--px",
            "16",
            "--k",
            "5",
            "--train-split",
            &train,
            "--val-split",
            &val,
            "--test-split",
            &test,
        ])
    }
}

#[test]
fn evaluate_tells_how_much_of_the_test_part_was_trained_on() {
    let data = Data::new();
    // Trained on the training part alone: 56 pictures, seven whole batches an epoch, none of the test.
    let clean = data.path("clean");
    let source = format!("kind=folder,path={},split={}", text(&data.tiles), text(&data.lists[0]));
    ok(&data.pretrain(&source, &clean));
    let listed = fs::read_to_string(clean.join("seen.txt")).unwrap();
    assert_eq!(listed.lines().count(), 1 + 56);
    let answer = data.evaluate(&clean, &data.lists);
    ok(&answer);
    let said = "its training has seen 0 of the 12 test tiles (by content, of 56 pictures)";
    assert!(answer.out.contains(said) && !answer.err.contains("warning"), "{}\n{}", answer.out, answer.err);

    // Trained on copies of five test tiles, under other names, in a tar, one of them in another format.
    let copies = data.path("copies/Other");
    fs::create_dir_all(&copies).unwrap();
    for at in 0..32 {
        let from = if at < 5 { 34 + at } else { at };
        fs::copy(data.tiles.join(format!("Water/Water_{from}.jpg")), copies.join(format!("a{at}.jpg"))).unwrap();
    }
    image::open(copies.join("a0.jpg")).unwrap().save(copies.join("b0.png")).unwrap();
    fs::remove_file(copies.join("a0.jpg")).unwrap();
    let packed = data.path("copies.tar");
    let mut builder = tar::Builder::new(fs::File::create(&packed).unwrap());
    builder.append_dir_all(".", data.path("copies")).unwrap();
    builder.finish().unwrap();
    let leaky = data.path("leaky");
    ok(&data.pretrain(&format!("path={}", text(&packed)), &leaky));
    let answer = data.evaluate(&leaky, &data.lists);
    ok(&answer);
    assert!(answer.out.contains("its training has seen 5 of the 12 test tiles"), "{}", answer.out);
    assert!(answer.err.contains("warning: the encoder was trained on 5 of the 12 test tiles"), "{}", answer.err);

    // An exported model takes its record along; one without is said to have none.
    let models = data.path("models");
    ok(&trainer(["export", "--encoder", &text(&leaky), "--name", "tiny", "--out", &text(&models), "--device", "cpu"]));
    let model = models.join("tiny.safetensors");
    assert_eq!(fs::read(models.join("tiny.seen.txt")).unwrap(), fs::read(leaky.join("seen.txt")).unwrap());
    let answer = data.evaluate(&model, &data.lists);
    assert!(answer.out.contains("its training has seen 5 of the 12 test tiles"), "{}", answer.out);
    let inspected = |encoder: &Path| trainer(["inspect-data", &text(&data.tiles), "--seen-by", &text(encoder)]);
    let answer = inspected(&model);
    assert!(answer.out.contains(": 32 of 80 pictures (by content, of 32 on record)"), "{}", answer.out);
    fs::remove_file(models.join("tiny.seen.txt")).unwrap();
    let answer = data.evaluate(&model, &data.lists);
    assert!(answer.out.contains("which pictures the encoder was trained on is not on record"), "{}", answer.out);
    let answer = inspected(&model);
    assert!(answer.code == 1 && answer.err.contains("\nhint: "), "{}", answer.err);
}

#[test]
fn a_student_has_seen_what_its_teacher_has() {
    let data = Data::new();
    let [teacher, own, other, gap] = ["teacher", "own", "other", "gap"].map(|name| data.path(name));
    let tiles = text(&data.tiles);
    ok(&trainer(small_cluster_run("moclr", &data.tiles, &teacher)));
    let record = |run: &Path| fs::read_to_string(run.join("seen.txt")).unwrap();
    let count = |run: &Path| record(run).lines().count() - 1;
    assert_eq!(count(&teacher), 80);
    let student = |out: &Path, source: &str| {
        let mut args = small_distillation(&teacher, &data.tiles, out);
        let at = args.iter().position(|arg| arg == "--data").unwrap();
        source.clone_into(&mut args[at + 1]);
        ok(&trainer(args));
    };
    student(&own, &format!("kind=folder,path={tiles}"));
    assert_eq!(record(&own), record(&teacher), "nothing new, and on record all the same");
    site::tiles(&data.path("more"), 8);
    let negative = data.path("more/Field/Field_0.jpg");
    let mut picture = image::open(&negative).unwrap();
    picture.invert();
    picture.save(&negative).unwrap();
    student(&other, &format!("kind=folder,path={}", text(&data.path("more"))));
    assert_eq!(count(&other), 81, "one picture that the teacher does not know");
    // A teacher that is not on record leaves a gap, which is said.
    fs::remove_file(teacher.join("seen.txt")).unwrap();
    student(&gap, &format!("kind=folder,path={},split={}", tiles, text(&data.lists[0])));
    let answer = data.evaluate(&gap, &data.lists);
    ok(&answer);
    assert!(
        answer.out.contains("has seen 0 of the 12 test tiles or more, since its record is incomplete"),
        "{}",
        answer.out
    );
}

#[test]
fn a_run_without_a_record_gets_all_of_its_sources() {
    let data = Data::new();
    let run = data.path("run");
    ok(&data.pretrain(&format!("kind=folder,path={}", text(&data.tiles)), &run));
    let whole = fs::read(run.join("seen.txt")).unwrap();
    fs::remove_file(run.join("seen.txt")).unwrap();
    fs::remove_file(run.join("encoder.safetensors")).unwrap();
    // Its last checkpoint but one, from which there are steps to go.
    fs::rename(run.join("checkpoint.previous.safetensors"), run.join("checkpoint.safetensors")).unwrap();
    ok(&trainer(["pretrain", "--resume", &text(&run), "--device", "cpu"]));
    assert!(fs::read(run.join("seen.txt")).unwrap() == whole, "the same pictures");
}

#[test]
fn lists_that_share_a_picture_are_refused() {
    let data = Data::new();
    let run = data.path("run");
    ok(&data.pretrain(&format!("kind=folder,path={}", text(&data.tiles)), &run));
    let with = |part: usize, extra: &str| {
        let mut lists = data.lists.clone();
        let path = data.path(&format!("other{part}.csv"));
        fs::write(&path, fs::read_to_string(&lists[part]).unwrap() + extra).unwrap();
        lists[part] = path;
        data.evaluate(&run, &lists)
    };
    // By name, in any two of them.
    for (part, extra) in [(0, "Field/Field_35.jpg\n"), (1, "Field/Field_3.jpg\n"), (2, "Field/Field_31.jpg\n")] {
        let answer = with(part, extra);
        assert_eq!(answer.code, 2, "{}", answer.err);
        let name = extra.trim();
        assert!(answer.err.contains("the split lists overlap: ") && answer.err.contains(name), "{}", answer.err);
        assert!(answer.err.contains("\nhint: "), "{}", answer.err);
    }
    // By content: a copy under another name.
    fs::copy(data.tiles.join("Field/Field_2.jpg"), data.tiles.join("Field/Field_99.jpg")).unwrap();
    let answer = with(2, "Field/Field_99.jpg\n");
    assert_eq!(answer.code, 2, "{}", answer.err);
    assert!(
        answer.err.contains("Field/Field_2.jpg of ")
            && answer.err.contains("is the same picture as Field/Field_99.jpg"),
        "{}",
        answer.err
    );
}
