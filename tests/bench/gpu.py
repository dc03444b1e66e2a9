"""What a graphics card makes of the trainer, in one script for a bare machine: a driver, this checkout, a trainer, Python, and
PyTorch where speed shall stand beside its own.

    python3 tests/bench/gpu.py TRAINER_BINARY [--device cuda|wgpu|…] [--data KIND=…,PATH=…] [--out FOLDER] [--minutes 4] [--only PART]

Parts, each of which stops when the minutes are over: agreement (the first ten losses beside the CPU's), start (seconds to the
first step, in a new process and in the next one), launches (of one step, by kernel), speed (SeCo and MoCo-v2 steps of four
encoders at batches of 256 and 1 024, beside PyTorch eager and compiled, channels last, bf16), peak (operations a second of the
chip that a step reaches). Without --data, tiles of noise are made up: what they show does not change how long a step takes.

What it prints is kept as FOLDER/report.json and FOLDER/report.md.
"""

import argparse
import collections
import json
import math
import pathlib
import random
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/reference"))
sys.path.insert(0, str(ROOT / "tests/bench"))
import record  # noqa: E402

ENCODERS = ["compact-s", "compact-m", "resnet18", "resnet50"]
BATCHES = [256, 1024]
STEPS = 12
# Losses grow apart as rounding does; ten steps stay within this of each other.
TOLERANCE = 2e-2


class Budget:
    def __init__(self, minutes):
        self.end = time.monotonic() + 60 * minutes

    def left(self):
        return max(0.0, self.end - time.monotonic())


def noise_tile(path, seed, px=64):
    """A PNG of noise, without any library."""
    rows = b"".join(b"\0" + random.Random(seed * px + row).randbytes(3 * px) for row in range(px))
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", px, px, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def made_up(folder, places=1024, dates=3):
    """A set of places with several dates, of noise."""
    for place in range(places):
        own = folder / f"place-{place:04}"
        own.mkdir(parents=True, exist_ok=True)
        for date in range(dates):
            noise_tile(own / f"2020-{4 * date + 1:02}-15.png", 3 * place + date + 1)
    return f"kind=places,path={folder}"


def pretrain(trainer, out, device, data, budget, folder, **changes):
    """A short run; its events, what it printed, and how long it took. None where it failed or the time was up."""
    shutil.rmtree(out, ignore_errors=True)
    preset = changes.pop("preset")
    command = [trainer, "pretrain", "--preset", preset, "--device", device, "--out", str(out), "--data", data]
    for key, value in changes.items():
        command += ["--set", f"{key.replace('__', '.')}={value}"]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
    try:
        text, _ = process.communicate(timeout=budget.left())
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return None, "the time was up", time.monotonic() - started
    events = out / "events.jsonl"
    steps = [json.loads(line) for line in open(events)] if events.exists() else []
    steps = [event for event in steps if event["event"] == "step"]
    if process.returncode != 0:
        return None, text.strip().splitlines()[-1] if text.strip() else "no message", time.monotonic() - started
    return steps, text, time.monotonic() - started


def settings(preset, encoder, batch, steps):
    stem = "imagenet" if encoder.startswith("resnet") else "small"
    return {
        "preset": preset,
        "encoder__architecture": encoder,
        "encoder__stem": stem,
        "tiles__input_px": 64,
        "train__batch": batch,
        "train__crop_px": "[[0,64]]",
        "train__epochs": 1,
        "run__samples_per_epoch": batch * steps,
    }


def agreement(trainer, device, data, budget, folder):
    losses = {}
    for name in ["cpu", device]:
        steps, text, _ = pretrain(trainer, folder / f"agree-{name.replace(':', '-')}", name, data, budget, folder, **settings("seco", "compact-s", 64, 10))
        if steps is None:
            return {"error": f"{name}: {text}"}
        losses[name] = [step["loss"] for step in steps]
    apart = [abs(a - b) / abs(a) for a, b in zip(*losses.values())]
    return {"cpu": losses["cpu"], "device": losses[device], "largest relative difference": max(apart), "agrees": max(apart) < TOLERANCE}


def start(trainer, device, data, budget, folder):
    """Seconds until a run of one step is over, less what the CPU needs for it: compiling kernels, mostly."""
    found = {}
    for name in ["first process", "next process"]:
        steps, text, seconds = pretrain(trainer, folder / "start", device, data, budget, folder, **settings("seco", "compact-s", 256, 1))
        found[name] = seconds if steps is not None else text
    return found


def launches(trainer, device, data, budget, folder):
    """Kernels of one step in a steady run, from CubeCL's own profile."""
    own = folder / "profile"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    log = own / "profile.log"
    (own / "cubecl.toml").write_text(f'[profiling]\nlogger = {{ level = "full", file = "{log}" }}\n')
    steps, text, _ = pretrain(trainer, own / "run", device, data, budget, own, **settings("seco", "compact-s", 256, 4))
    if steps is None or not log.exists():
        return {"error": text}
    scale = {"ns": 1e-6, "µs": 1e-3, "ms": 1, "s": 1000}
    rows = []
    for line in open(log):
        if found := re.match(r"\| ([\d.]+)(ns|µs|ms|s)\s*\| ([\w:]+)", line):
            rows.append((found[3].rstrip(":").split("::")[-1], float(found[1]) * scale[found[2]]))
    # A SeCo step joins three losses; the third of one step to the third of the next is a step.
    marks = [at for at, (name, _) in enumerate(rows) if name == "Join"]
    if len(marks) < 9:
        return {"error": "the profile has no three steps"}
    step = rows[marks[5] : marks[8]]
    count, milliseconds = collections.Counter(), collections.Counter()
    for name, duration in step:
        count[name] += 1
        milliseconds[name] += duration
    top = [{"kernel": name, "launches": count[name], "ms": round(duration, 3)} for name, duration in milliseconds.most_common(12)]
    return {"launches of a SeCo step": len(step), "ms of its kernels": round(sum(milliseconds.values()), 2), "kernels": top}


def steady(steps, batch):
    """Median seconds of the later steps: the rate that is told is a mean that forgets slowly, and the first step compiles."""
    smooth = [batch / step["tiles_per_sec"] for step in steps]
    seconds = [(now - 0.95 * before) / 0.05 for before, now in zip(smooth, smooth[1:])]
    return statistics.median(seconds[len(seconds) // 3 :])


def own_speed(trainer, device, data, budget, folder):
    rows = []
    for preset in ["seco", "moco-v2"]:
        for encoder in ENCODERS:
            for batch in BATCHES:
                if budget.left() < 5:
                    return rows
                steps, text, _ = pretrain(trainer, folder / "speed", device, data, budget, folder, **settings(preset, encoder, batch, STEPS))
                row = {"method": preset, "encoder": encoder, "batch": batch}
                if steps is None:
                    rows.append({**row, "error": text})
                    continue
                row["ms"] = 1000 * steady(steps, batch)
                rows.append(row)
                print(f"  {preset} {encoder} {batch}: {row['ms']:.1f} ms a step", flush=True)
    return rows


def peer_speed(budget):
    """The same steps in PyTorch, with batches ready-made; nothing where there is no PyTorch with a card."""
    try:
        import torch
        import torch.nn.functional as F
    except ImportError:
        return {"error": "there is no PyTorch here"}
    if not torch.cuda.is_available():
        return {"error": "PyTorch sees no card here"}
    from training import network

    def side(name, heads):
        backbone = network(name)
        width = backbone.width
        head = lambda: torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 128))
        model = torch.nn.Module()
        model.backbone, model.heads = backbone, torch.nn.ModuleList(head() for _ in range(heads))
        return model.train().cuda().to(memory_format=torch.channels_last)

    def step_of(method, name, batch, compiled):
        heads = 3 if method == "seco" else 1
        query, key = side(name, heads), side(name, heads)
        forward, forward_key = (torch.compile(m.backbone) if compiled else m.backbone for m in (query, key))
        averaged, trained = list(key.parameters()), list(query.parameters())
        queues = [F.normalize(torch.randn(16384, 128, device="cuda"), dim=1) for _ in range(heads)]
        optimiser = torch.optim.SGD(trained, lr=0.03, momentum=0.9, weight_decay=1e-4, fused=True)
        views = [torch.randn(batch, 3, 64, 64, device="cuda").contiguous(memory_format=torch.channels_last) for _ in range(heads + 1)]
        zeros = torch.zeros(batch, dtype=torch.long, device="cuda")

        def step():
            with torch.autocast("cuda", dtype=torch.bfloat16):
                features = forward(views[0])
                q = [F.normalize(head(features).float(), dim=1) for head in query.heads]
                with torch.no_grad():
                    torch._foreach_lerp_(averaged, trained, 0.001)
                    keys = [forward_key(view) for view in views[1:]]
                    k = [[F.normalize(head(x).float(), dim=1) for x in keys] for head in key.heads]
                loss = 0
                for at in range(heads):
                    own = (q[at] * k[at][at]).sum(1, keepdim=True)
                    banks = [queues[at]] + ([k[at][other] for other in range(heads) if other != at] if at > 0 else [])
                    logits = torch.cat([own] + [q[at] @ bank.T for bank in banks], dim=1) / 0.07
                    loss = loss + F.cross_entropy(logits.float(), zeros)
                    queues[at] = torch.cat([queues[at][batch:], k[at][at]])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

        return step

    rows = []
    for method in ["seco", "moco-v2"]:
        for name in ENCODERS:
            for batch in BATCHES:
                for compiled in [False, True]:
                    if budget.left() < 10:
                        return rows
                    step = step_of(method, name, batch, compiled)
                    for _ in range(4):
                        step()
                    torch.cuda.synchronize()
                    seconds = []
                    for _ in range(STEPS):
                        began = time.perf_counter()
                        step()
                        torch.cuda.synchronize()
                        seconds.append(time.perf_counter() - began)
                    row = {"method": method, "encoder": name, "batch": batch, "variant": "compiled" if compiled else "eager"}
                    row["ms"] = 1000 * statistics.median(seconds)
                    rows.append(row)
                    print(f"  PyTorch {method} {name} {batch} {row['variant']}: {row['ms']:.1f} ms a step", flush=True)
    return rows


def peak(trainer, data, speed, budget, folder):
    """Operations a second that the steps reach, from what --dry-run counts of a step."""
    rows = []
    for row in speed if isinstance(speed, list) else []:
        if "ms" not in row or budget.left() < 1:
            continue
        changes = settings(row["method"], row["encoder"], row["batch"], STEPS)
        command = [trainer, "pretrain", "--preset", changes.pop("preset"), "--dry-run", "--data", data]
        for key, value in changes.items():
            command += ["--set", f"{key.replace('__', '.')}={value}"]
        text = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False).stdout
        if found := re.search(r"operations a step\s+([\d.]+) G", text):
            rows.append({**row, "gflop": float(found[1]), "tflop_per_s": float(found[1]) / row["ms"]})
    return rows


def markdown(report):
    lines = [f"Machine: {report['machine']}", ""]
    if (found := report.get("agreement")) and "cpu" in found:
        lines += ["| step | CPU | device |", "|---:|---:|---:|"]
        lines += [f"| {at + 1} | {a:.4f} | {b:.4f} |" for at, (a, b) in enumerate(zip(found["cpu"], found["device"]))]
        lines += ["", f"Largest relative difference {found['largest relative difference']:.1e}.", ""]
    if (found := report.get("launches")) and "kernels" in found:
        lines += [f"{found['launches of a SeCo step']} launches a SeCo step of compact-s at batch 256.", "", "| kernel | launches | ms |", "|---|---:|---:|"]
        lines += [f"| {row['kernel']} | {row['launches']} | {row['ms']} |" for row in found["kernels"]] + [""]
    theirs = collections.defaultdict(lambda: math.nan)
    for row in report["peer"] if isinstance(report.get("peer"), list) else []:
        theirs[row["method"], row["encoder"], row["batch"], row["variant"]] = row["ms"]
    lines += ["| step | ours, ms | PyTorch eager, ms | compiled, ms | TFLOP/s |", "|---|---:|---:|---:|---:|"]
    for row in report.get("peak", []):
        key = (row["method"], row["encoder"], row["batch"])
        lines.append(f"| {' '.join(map(str, key))} | {row['ms']:.1f} | {theirs[*key, 'eager']:.1f} | {theirs[*key, 'compiled']:.1f} | {row['tflop_per_s']:.1f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainer")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--data")
    parser.add_argument("--out", default="out/gpu", type=pathlib.Path)
    parser.add_argument("--minutes", default=4.0, type=float)
    parser.add_argument("--only", choices=["agreement", "start", "launches", "speed"])
    given = parser.parse_args()
    trainer, folder = str(pathlib.Path(given.trainer).resolve()), given.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    data = given.data or made_up(folder / "tiles")
    budget = Budget(given.minutes)
    report = {"machine": record.machine(), "device": given.device}
    wanted = lambda part: given.only in (None, part)
    for part, measure in [("agreement", agreement), ("start", start), ("launches", launches), ("speed", own_speed)]:
        if wanted(part):
            print(f"{part} ({budget.left():.0f} s left)", flush=True)
            report[part] = measure(trainer, given.device, data, budget, folder)
            (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    if wanted("speed"):
        report["peak"] = peak(trainer, data, report["speed"], Budget(1), folder)
        report["peer"] = peer_speed(budget)
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    (folder / "report.md").write_text(markdown(report))
    print((folder / "report.md").read_text())
    if "agreement" in report and not report["agreement"].get("agrees"):
        sys.exit(f"error: the device does not agree with the CPU: {report['agreement'].get('error', 'see the table')}")


if __name__ == "__main__":
    main()
