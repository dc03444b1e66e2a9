//! The main job in small: pre-train with every method, evaluate, export, publish.

use crate::{site, small_cluster_run, small_run, trainer};
use std::fs;

#[test]
fn pretrain_evaluate_export_publish() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, run) = (path("data"), path("run"));
    site::tiles(&data, 40);
    let answer = trainer(small_run(&data, &run));
    assert_eq!(answer.code, 0, "{}", answer.err);
    for file in
        ["config.toml", "events.jsonl", "metrics.csv", "curves.svg", "checkpoint.safetensors", "encoder.safetensors"]
    {
        assert!(run.join(file).is_file(), "{file}");
    }
    let text = |path: &std::path::Path| path.display().to_string();
    let (run, data_arg) = (text(&run), text(&data));
    let answer = trainer(["evaluate", "--encoder", &run, "--data", &data_arg, "--device", "cpu", "--px", "24"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    for row in ["random", "statistics"] {
        assert!(answer.out.to_lowercase().contains(row), "the baselines stand beside:\n{}", answer.out);
    }
    let site = path("site");
    let (models, gallery) = (text(&site.join("models")), text(&site.join("gallery")));
    let answer = trainer([
        "export",
        "--encoder",
        &run,
        "--name",
        "tiny",
        "--out",
        &models,
        "--data",
        &data_arg,
        "--gallery",
        &gallery,
        "--gallery-tiles",
        "30",
        "--onnx",
        "--device",
        "cpu",
    ]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(site.join("models/tiny.safetensors").is_file() && site.join("models/tiny.onnx").is_file());
    // A larger gallery, of 8-bit values, beside one that the run folder's encoder made, which is another model's.
    let model = text(&site.join("models/tiny.safetensors"));
    for (encoder, name) in [(&model, "all"), (&run, "other")] {
        let out = text(&site.join("gallery").join(name));
        let answer =
            trainer(["embed", "--encoder", encoder, "--data", &data_arg, "--out", &out, "--int8", "--device", "cpu"]);
        assert_eq!(answer.code, 0, "{}", answer.err);
    }
    let list = path("test.csv");
    fs::write(&list, "Field/Field_0.jpg,Field\nWater/Water_0.jpg,Water\n").unwrap();
    let answer = trainer([
        "publish",
        "--site",
        &text(&site),
        "--model",
        "tiny",
        "--data",
        &data_arg,
        "--test-split",
        &text(&list),
        "--samples",
        "1",
    ]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.err.contains("other/gallery.safetensors: made by another model"), "{}", answer.err);
    let index: serde_json::Value = serde_json::from_slice(&fs::read(site.join("gallery/index.json")).unwrap()).unwrap();
    let listed: Vec<&str> =
        index["galleries"].as_array().unwrap().iter().map(|g| g["file"].as_str().unwrap()).collect();
    assert_eq!(listed, ["gallery.safetensors", "all/gallery.safetensors"]);
    assert_eq!(index["galleries"][1]["title"], "80 tiles");
    let expected: serde_json::Value =
        serde_json::from_slice(&fs::read(site.join("models/expected.json")).unwrap()).unwrap();
    let classes: Vec<&str> =
        expected["tiles"].as_array().unwrap().iter().map(|t| t["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["Field", "Water"], "colours this far apart are told apart");
}

#[test]
fn every_method_runs_its_preset_and_plans_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    site::tiles(&data, 12);
    for preset in ["seco", "moco-v2", "moco-tp", "compact", "luperson"] {
        let run = folder.path().join(preset);
        let source = format!("kind=folder,path={}", data.display());
        let mut args: Vec<String> =
            ["pretrain", "--preset", preset, "--device", "cpu", "--data", &source].map(String::from).to_vec();
        args.extend(["--out".to_owned(), run.display().to_string()]);
        for change in [
            "train.epochs=1",
            "train.batch=4",
            "train.crop_px=[[0,16]]",
            "method.queue=16",
            "method.norm_splits=2",
            "encoder.architecture=compact-xs",
            "encoder.stem=small",
        ] {
            args.extend(["--set".to_owned(), change.to_owned()]);
        }
        let answer = trainer(args.iter());
        assert_eq!(answer.code, 0, "{preset}: {}", answer.err);
        let plan = trainer(["pretrain", "--preset", preset, "--dry-run"]);
        assert_eq!(plan.code, 0, "{}", plan.err);
        assert!(plan.out.contains("multiply-adds") && plan.out.contains("queues"), "{}", plan.out);
        let printed = trainer(["pretrain", "--preset", preset, "--print-config"]);
        let own = folder.path().join(format!("{preset}.toml"));
        fs::write(&own, &printed.out).unwrap();
        let again = trainer(["pretrain", "--config", &own.display().to_string(), "--print-config"]);
        assert_eq!(again.out, printed.out, "what is printed is a whole configuration");
    }
}

#[test]
fn clustering_methods_cluster_train_and_export() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    site::tiles(&data, 20);
    for (preset, clusterings, steps) in [("deeper-cluster", 3, 25), ("deep-cluster", 5, 25), ("rotnet", 0, 25)] {
        let run = folder.path().join(preset);
        let answer = trainer(small_cluster_run(preset, &data, &run));
        assert_eq!(answer.code, 0, "{preset}: {}", answer.err);
        let log = fs::read_to_string(run.join("events.jsonl")).unwrap();
        let count = |event: &str| log.matches(&format!("\"event\":\"{event}\"")).count();
        assert_eq!((count("clustered"), count("step")), (clusterings, steps), "{preset}");
        let plan = trainer(["pretrain", "--preset", preset, "--dry-run"]);
        assert!(plan.out.contains("sub-class logits"), "{}", plan.out);
        let models = folder.path().join("models").display().to_string();
        let run = run.display().to_string();
        let answer =
            trainer(["export", "--encoder", &run, "--out", &models, "--name", preset, "--onnx", "--device", "cpu"]);
        assert_eq!(answer.code, 0, "{preset}: {}", answer.err);
    }
}

#[test]
fn presets_have_the_papers_views() {
    use trainer::config::{RunConfig, Typed};
    use trainer::methods::MethodConfig;
    use trainer::views::Recipe;

    let resolve = |preset: &str| {
        RunConfig::resolve(&Typed { preset: Some(preset.to_owned()), ..Typed::default() }).unwrap().method
    };
    let MethodConfig::Seco(seco) = resolve("seco") else { panic!("seco is another method") };
    assert_eq!((seco.clean, seco.augmented), (Recipe::seco_clean(), Recipe::seco_augmented()));
    assert_eq!((seco.queue, seco.temperature, seco.momentum), (16_384, 0.07, 0.999));
    for (preset, temperature, queue) in [("moco-v2", 0.2, 65_536), ("moco-tp", 0.07, 16_384)] {
        let (MethodConfig::MocoV2(moco) | MethodConfig::MocoTp(moco)) = resolve(preset) else {
            panic!("{preset} is another method")
        };
        assert_eq!((moco.view, moco.temperature, moco.queue), (Recipe::mocov2(), temperature, queue));
    }
}

#[test]
fn help_shows_examples() {
    for command in [
        "pretrain",
        "distill",
        "study",
        "evaluate",
        "export",
        "embed",
        "inspect-data",
        "devices",
        "demo",
        "publish",
        "serve",
        "completions",
        "man",
    ] {
        let answer = trainer([command, "--help"]);
        assert_eq!(answer.code, 0);
        assert!(answer.out.contains(&format!("trainer {command}")), "{command}:\n{}", answer.out);
    }
}

#[test]
fn shells_and_manual_pages_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let script = trainer(["completions", "bash"]);
    assert_eq!(script.code, 0, "{}", script.err);
    let out = folder.path().join("man1");
    let answer = trainer(["man", "--out", &out.display().to_string()]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let help = trainer(["--help"]).out;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.contains(&"pretrain") && commands.len() > 10, "{commands:?}");
    for command in commands {
        assert!(script.out.contains(&format!("trainer,{command})")), "{command}");
        let page = fs::read_to_string(out.join(format!("trainer-{command}.1"))).unwrap();
        assert!(page.contains("Examples:"), "{command}:\n{page}");
    }
    assert!(out.join("trainer.1").is_file());
    let unknown = trainer(["completions", "tcsh"]);
    assert!(unknown.code == 2 && unknown.err.contains("possible values"), "{}", unknown.err);
}

#[test]
fn a_preset_is_named_where_it_can_be_typed() {
    let help = trainer(["pretrain", "--help"]).out.split_whitespace().collect::<Vec<_>>().join(" ");
    let listed = help.split("Recipe to start from: ").nth(1).unwrap();
    for preset in trainer::config::preset_names() {
        assert!(listed.contains(preset), "{preset}: {listed}");
        let answer = trainer(["pretrain", "--preset", preset, "--print-config"]);
        assert_eq!(answer.code, 0, "{preset}: {}", answer.err);
    }
}

/// The event files hold what `metrics.csv` holds, record by record; their framing is tested where it is written.
#[test]
fn a_run_leaves_event_files_for_tensorboard() {
    let folder = tempfile::tempdir().unwrap();
    let (data, run) = (folder.path().join("data"), folder.path().join("run"));
    site::tiles(&data, 16);
    let answer = trainer(small_run(&data, &run));
    assert_eq!(answer.code, 0, "{}", answer.err);
    let files: Vec<Vec<u8>> = fs::read_dir(&run)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("events.out.tfevents."))
        .map(|entry| fs::read(entry.path()).unwrap())
        .collect();
    assert_eq!(files.len(), 1);
    let count = |word: &str| files[0].windows(word.len()).filter(|window| *window == word.as_bytes()).count();
    let steps = fs::read_to_string(run.join("metrics.csv")).unwrap().lines().count() - 1;
    assert!(steps > 1);
    assert_eq!(count("learning_rate"), steps);
    assert_eq!(count("epoch/mean_loss"), 2);
}
