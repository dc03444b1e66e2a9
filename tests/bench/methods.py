"""Every method with the same encoder, data and time on the same machine, and what its frozen encoder is worth.

    python3 tests/bench/methods.py TRAINER DATA OUT [--minutes 5] [--seeds 1 2 3] [--only NAME …] [--json FILE]
    python3 tests/bench/methods.py --table FILE

DATA holds eurosat_rgb.tar, eurosat_splits/, bmng2004/, muds/ and oscd/. Every row sees the same pictures, EuroSAT's training
split without labels and three dated sources, whether it makes use of the dates or not: windows lie on a grid, since some
methods remember what they saw at a place. OSCD's test cities and Blue Marble east of 60° E are in none.

First the rate of each method is measured, undisturbed and one after the other, on three epochs (`OUT/rates.json`, kept for
the next call); from it follow as many epochs as fit the minutes. The runs themselves may then share the machine with other
work: they can be stopped, and the same command goes on with them, run by run; `FILE` has every run that is done, and
`--table` prints it as means ± standard deviations over the seeds without running anything. All rows are the whole test part
of EuroSAT's AiTLAS split, learned from every fifth training tile, with every fourth validation tile for choices (`--whole`:
all of them, some minutes a row).
"""

import argparse
import json
import pathlib
import statistics
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
# Preset, settings.
METHODS = {
    "moco-v2": ("compact", [*CONTRAST, "method.name=moco-v2"]),
    "moco-tp": ("compact", CONTRAST),
    "seco": ("seco", CONTRAST),
    "dnc": ("dnc", DNC),
    "dnc, random partition": ("dnc", [*DNC, "dnc.random_partition=true"]),
    "deeper-cluster": ("deeper-cluster", [*SMALL, "train.learning_rate=0.05", "method.every_epochs=4",
                                          "method.sub_clusters=40"]),
    "luperson": ("luperson", CONTRAST),
    "marta": ("marta", ["method.generator_width=256"]),
}
# SeCo's recipe has views of its own for small crops; the others' stay their presets'.
CONFIG = {"seco": pathlib.Path(__file__).resolve().parents[2] / "trainer/published/compact-seco.toml"}
# Epochs of DnC's base and experts for each of the student's.
PHASES = 2
# One student each of the same base and experts.
STUDENTS = {"dnc, base alone": (1.0, 0.0), "dnc, experts alone": (0.0, 1.0)}
# The cities of OSCD that its own split trains on.
CITIES = ("aguasclaras bercy bordeaux nantes paris rennes saclay_e abudhabi cupertino pisa beihai hongkong beirut mumbai").split()


def sources(data):
    """The same for every row, with its shares of the samples."""
    tiles = f"kind=folder,path={data}/eurosat_rgb.tar,split={data}/eurosat_splits/aitlas_arena_train.csv"
    months = f"kind=mosaic,placement=grid,path={data}/bmng2004,skip_longitude=[[60.0,180.0]]"
    pairs = f"kind=mosaic,placement=grid,path={data}/oscd/images,keep_places=[{','.join(CITIES)}]"
    series = f"kind=places,path={data}/muds/muds_rgb.tar"
    shares = [(tiles, 0.75), (months, 0.1), (series, 0.1), (pairs, 0.05)]
    return [word for source, share in shares for word in ("--data", f"{source},weight={share}")]


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


def pretrain(options, name, seed, out, count):
    if (out / "encoder.safetensors").exists():
        return
    if (out / "config.toml").exists():
        call([options.trainer, "pretrain", "--resume", out, "--device", "cpu"])
        return
    preset, settings = METHODS[name]
    settings = [*settings, *epochs_of(name, count), f"run.samples_per_epoch={options.samples}", f"run.seed={seed}"]
    config = ["--config", CONFIG[name]] if name in CONFIG else []
    call([options.trainer, "pretrain", "--preset", preset, *config, "--device", "cpu", "--out", out, *sources(options.data),
          *(f"--set={setting}" for setting in settings)])


def rates(options):
    """Seconds of an epoch, for every method."""
    path = options.out / "rates.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for name in options.only:
        if name in known or name.endswith("partition"):
            continue
        run = options.out / "rates" / name
        pretrain(options, name, options.seeds[0], run, PROBE_EPOCHS)
        known[name] = secs(run) / PROBE_EPOCHS
        print(f"{name}: {known[name]:.1f} s an epoch of {options.samples}", flush=True)
        path.write_text(json.dumps(known, indent=1) + "\n")
    if "dnc" in known:
        known["dnc, random partition"] = known["dnc"]
    return known


def distil(options, name, seed, dnc):
    """A student of DnC's teachers with other weights of the loss."""
    out = options.out / name / f"seed{seed}"
    if not (out / "encoder.safetensors").exists():
        student = (dnc / "student" / "config.toml").read_text()
        base, experts = STUDENTS[name]
        student = student.replace("base_weight = 1.0", f"base_weight = {base}").replace("expert_weight = 1.0", f"expert_weight = {experts}")
        out.parent.mkdir(parents=True, exist_ok=True)
        config = out.with_suffix(".toml")
        config.write_text(student)
        begun = ["--resume", out] if (out / "config.toml").exists() else ["--preset", "distill", "--config", config, "--out", out]
        call([options.trainer, "pretrain", *begun, "--device", "cpu"])
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


def measure(options, per_epoch, keep):
    """Seed by seed, so that a table with fewer seeds is whole before the next one begins."""
    for seed in options.seeds:
        for name in options.only:
            count = max(1, round(options.minutes * 60 / per_epoch[name]))
            run = options.out / name / f"seed{seed}"
            pretrain(options, name, seed, run, count)
            keep(name, seed, {"epochs": count, "secs": secs(run), **evaluate(options, run)})
            for student in STUDENTS if name == "dnc" else []:
                keep(student, seed, evaluate(options, distil(options, student, seed, run)))


def accuracy(scores, name, index):
    """In percent; `name` is the number of neighbours, or `linear`."""
    own = scores[index]
    if name == "linear":
        return 100 * own["linear_accuracy"]
    return 100 * next(score["accuracy"] for score in own["knn"] if score["k"] == name)


def table(rows):
    """Mean ± standard deviation over the seeds; the baselines are those of the first run."""
    seeds = sorted({seed for runs in rows.values() for seed in runs}, key=int)
    lines = [f"| seeds {', '.join(seeds)} | epochs | k-NN 5 | k-NN 20 | linear | the last feature map alone: k-NN 20 | linear | seen of the test part |",
             "|---|---:|---:|---:|---:|---:|---:|---:|"]
    columns = [(5, 0), (20, 0), ("linear", 0), (20, 1), ("linear", 1)]
    for name, runs in rows.items():
        cells = []
        for column, index in columns:
            values = [accuracy(run["scores"], column, index) for run in runs.values() if is_split(run["scores"]) or index == 0]
            spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.1f}{spread}" if values else "")
        epochs = next((str(run["epochs"]) for run in runs.values() if "epochs" in run), "")
        fewer = "" if len(runs) == len(seeds) else f" ({len(runs)} of {len(seeds)} seeds)"
        seen = sorted({run["protocol"].rpartition("has seen ")[2].partition(" of ")[0] for run in runs.values() if "has seen " in run["protocol"]})
        lines.append(f"| {name}{fewer} | {epochs} | {' | '.join(cells)} | {', '.join(seen)} |")
    first = next(iter(next(iter(rows.values())).values()))["scores"]
    for own in first[1 + is_split(first):]:
        figures = [accuracy([own], column, 0) for column in (5, 20, "linear")]
        lines.append(f"| {own['name']} | | {' | '.join(f'{figure:.1f}' for figure in figures)} | | | |")
    return "\n".join(lines)


def is_split(scores):
    """Whether the encoder's last feature map stands behind its moments."""
    return "feature map" in scores[1]["name"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainer", type=pathlib.Path, nargs="?")
    parser.add_argument("data", type=pathlib.Path, nargs="?")
    parser.add_argument("out", type=pathlib.Path, nargs="?")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--rates", action="store_true", help="measure the rates and stop")
    parser.add_argument("--whole", action="store_true", help="learn from all labelled tiles")
    parser.add_argument("--json", type=pathlib.Path, help="every run that is done [default: OUT/methods.json]")
    parser.add_argument("--table", type=pathlib.Path, metavar="FILE", help="print the table of such a file, and run nothing")
    options = parser.parse_args()
    if options.table:
        print(table(json.loads(options.table.read_text())["rows"]))
        return
    if not options.out:
        parser.error("TRAINER, DATA and OUT are needed, or --table FILE")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.json or options.out / "methods.json"
    per_epoch = rates(options)
    if options.rates:
        return
    rows = json.loads(path.read_text())["rows"] if path.exists() else {}

    def keep(name, seed, row):
        rows.setdefault(name, {})[str(seed)] = row
        record.save(path, "", rows)

    measure(options, per_epoch, keep)
    print(table(rows))


if __name__ == "__main__":
    main()
