"""Every method with the same encoder, data and time on the same machine, and what its frozen encoder is worth.

    python3 tests/bench/methods.py TRAINER DATA OUT [--minutes 6] [--only NAME …] [--samples 4096] [--json FILE]

DATA holds eurosat_rgb.tar, eurosat_splits/, bmng2004/ and oscd/. First the rate of each method is measured, undisturbed
and one after the other, on three epochs (`OUT/rates.json`, kept for the next call); from it follow as many epochs as fit
the minutes. The runs themselves may then share the machine with other work: they can be stopped, and the same command
goes on with them. All rows are the whole test part of EuroSAT's AiTLAS split, learned from every fifth training tile, with
every fourth validation tile for choices (`--whole`: all of them, some minutes a row).
"""

import argparse
import json
import pathlib
import subprocess
import sys

import record

PROBE_EPOCHS = 3
# What a small machine needs in place of the papers' values; each method keeps what makes it one.
COMMON = ["encoder.architecture=compact-s", "encoder.stem=small", "tiles.input_px=64", "train.batch=256",
          "tiles.mean=[0.3453,0.3796,0.4090]", "tiles.std=[0.2027,0.1364,0.1155]"]
SMALL = [*COMMON, "train.crop_px=[[0,32]]"]
CONTRAST = [*SMALL, "train.learning_rate=0.06", "train.schedule={kind='cosine',warmup_epochs=1.0}",
            "train.sgd={momentum=0.9,weight_decay=5e-4}", "method.temperature=0.1", "method.momentum=0.99",
            "method.queue=8192"]
LARS = "train.sgd={momentum=0.9,weight_decay=1.5e-6,lars=0.001}"
DNC = [*SMALL, "method.hidden=1024", "dnc.distill.hidden=1024", "train.learning_rate=0.6", LARS,
       "dnc.distill_learning_rate=0.6", "train.schedule={kind='cosine',warmup_epochs=1.0}", "dnc.distill.centre_px=64"]
# Preset, whether the dated sources are mixed in, settings.
METHODS = {
    "moco-v2": ("compact", False, [*CONTRAST, "method.name=moco-v2"]),
    "moco-tp": ("compact", True, CONTRAST),
    "seco": ("seco", True, CONTRAST),
    "dnc": ("dnc", False, DNC),
    "dnc, random partition": ("dnc", False, [*DNC, "dnc.random_partition=true"]),
    "deeper-cluster": ("deeper-cluster", False, [*SMALL, "train.learning_rate=0.05", "method.every_epochs=4",
                                                 "method.sub_clusters=40"]),
    "luperson": ("luperson", False, CONTRAST),
    "marta": ("marta", False, ["method.generator_width=256"]),
}
# SeCo's recipe has views of its own for small crops; the others' stay their presets'.
CONFIG = {"seco": pathlib.Path(__file__).resolve().parents[2] / "trainer/recipes/compact-seco.toml"}
# Epochs of DnC's base and experts for each of the student's.
PHASES = 2
# One student each of the same base and experts.
STUDENTS = {"dnc, base alone": ("base", 1.0, 0.0), "dnc, experts alone": ("experts", 0.0, 1.0)}


def sources(data, dated):
    tiles = f"kind=folder,path={data}/eurosat_rgb.tar,split={data}/eurosat_splits/aitlas_arena_train.csv"
    if not dated:
        return ["--data", tiles]
    return ["--data", f"{tiles},weight=0.75", "--data", f"kind=mosaic,path={data}/bmng2004,weight=0.15,skip_longitude=[[60.0,180.0]]",
            "--data", f"kind=mosaic,path={data}/oscd/images,weight=0.1"]


def epochs_of(name, count):
    if not name.startswith("dnc"):
        return [f"train.epochs={count}"]
    return [f"train.epochs={PHASES * count}", f"dnc.expert_epochs={PHASES * count}", f"dnc.distill_epochs={count}"]


def secs(run):
    """What the run's own clock says of all its phases."""
    events = sorted(run.glob("**/events.jsonl"))
    lines = (json.loads(line) for path in events for line in path.read_text().splitlines())
    return sum(line["secs"] for line in lines if line["event"] == "finished")


def call(command):
    print("+", " ".join(map(str, command)), flush=True)
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"error: {command[1]} failed\n{result.stderr[-2000:]}")
    return result.stdout


def pretrain(options, name, out, count):
    if (out / "encoder.safetensors").exists():
        return
    if out.exists():
        call([options.trainer, "pretrain", "--resume", out, "--device", "cpu"])
        return
    preset, dated, settings = METHODS[name]
    settings = [*settings, *epochs_of(name, count), f"run.samples_per_epoch={options.samples}"]
    config = ["--config", CONFIG[name]] if name in CONFIG else []
    call([options.trainer, "pretrain", "--preset", preset, *config, "--device", "cpu", "--out", out, *sources(options.data, dated),
          *(f"--set={setting}" for setting in settings)])


def rates(options):
    """Seconds of an epoch, for every method."""
    path = options.out / "rates.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for name in options.only:
        if name in known or name.endswith("partition"):
            continue
        run = options.out / "rates" / name
        pretrain(options, name, run, PROBE_EPOCHS)
        known[name] = secs(run) / PROBE_EPOCHS
        print(f"{name}: {known[name]:.1f} s an epoch of {options.samples}", flush=True)
        path.write_text(json.dumps(known, indent=1) + "\n")
    if "dnc" in known:
        known["dnc, random partition"] = known["dnc"]
    return known


def distil(options, name, dnc):
    """A student of DnC's teachers with other weights of the loss."""
    out = options.out / name
    if not (out / "encoder.safetensors").exists():
        student = (dnc / "student" / "config.toml").read_text()
        _, base, experts = STUDENTS[name]
        student = student.replace("base_weight = 1.0", f"base_weight = {base}").replace("expert_weight = 1.0", f"expert_weight = {experts}")
        config = options.out / f"{name}.toml"
        config.write_text(student)
        call([options.trainer, "pretrain", "--preset", "distill", "--config", config, "--device", "cpu", "--out", out])
    return out


def split(options, part):
    """A list of tiles: the split's own, or a part of it that is the same every time."""
    whole = options.data / f"eurosat_splits/aitlas_arena_{part}.csv"
    step = 1 if options.whole else {"train": 5, "val": 4, "test": 1}[part]
    if step == 1:
        return whole
    thinned = options.out / f"{part}-{step}.csv"
    thinned.write_text("".join(f"{line}\n" for line in whole.read_text().split()[::step]))
    return thinned


def evaluate(options, run):
    """Test figures of an encoder, and of the baselines beside it."""
    found = run / "results"
    if not (found / "results.json").exists():
        splits = [f"--{part}-split={split(options, part)}" for part in ("train", "val", "test")]
        call([options.trainer, "evaluate", "--encoder", run, "--data", f"{options.data}/eurosat_rgb.tar", *splits, "--device", "cpu",
              "--out", found])
    results = json.loads((found / "results.json").read_text())
    return {"protocol": results["protocol"]["summary"], "scores": results["scores"]}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("trainer", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--rates", action="store_true", help="measure the rates and stop")
    parser.add_argument("--whole", action="store_true", help="learn from all labelled tiles")
    parser.add_argument("--json")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    per_epoch = rates(options)
    if options.rates:
        return
    rows = {}
    for name in options.only:
        count = max(1, round(options.minutes * 60 / per_epoch[name]))
        run = options.out / name
        pretrain(options, name, run, count)
        rows[name] = {"epochs": count, "secs": secs(run), **evaluate(options, run)}
        if name == "dnc":
            for student in STUDENTS:
                rows[student] = evaluate(options, distil(options, student, run))
    if options.json:
        record.save(options.json, "", rows)
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
