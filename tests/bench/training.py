"""MoCo-v2 training: PyTorch's same network, batch and step beside the trainer, each in a process of its own, by turns.

PyTorch, a current one, gets its batches ready-made, and is measured in both layouts, eager and compiled: the best counts and
is named. The trainer decodes, augments and loads as it always does. Tiles a second (medians of three) and the largest memory
a process ever held.

usage: python3 tests/bench/training.py TRAINER_BINARY [compact-s|resnet18] [PX] [BATCH] [STEPS] [JSON_FILE]
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/reference"))
import peer  # noqa: E402
import record  # noqa: E402


def network(name: str) -> torch.nn.Module:
    import torchvision
    from compact import Compact

    if name == "resnet18":
        model = torchvision.models.resnet18(weights=None)
        model.fc = torch.nn.Identity()
        model.width = 512
        return model
    return Compact(32, [64, 128, 256], 1)


def pytorch(variant: str, name: str, px: int, batch: int, steps: int) -> float:
    def side() -> torch.nn.Module:
        backbone = network(name)
        width = backbone.width
        head = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 128))
        return torch.nn.Sequential(backbone, head).train()

    query, key = (peer.prepared(side(), variant) for _ in range(2))
    averaged, trained = list(key.parameters()), list(query.parameters())
    queue = F.normalize(torch.randn(batch * 32, 128), dim=1)
    optimiser = torch.optim.SGD(trained, lr=0.03, momentum=0.9, weight_decay=1e-4, fused=True)
    layout, _ = peer.VARIANTS[variant]
    views = [torch.randn(batch, 3, px, px).contiguous(memory_format=layout) for _ in range(2)]
    seconds = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        q = F.normalize(query(views[0]), dim=1)
        with torch.no_grad():
            torch._foreach_lerp_(averaged, trained, 0.01)
            k = F.normalize(key(views[1]), dim=1)
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / 0.2
        loss = F.cross_entropy(logits, torch.zeros(batch, dtype=torch.long))
        queue = torch.cat([queue[batch:], k])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - start)
    return batch / statistics.median(seconds[2:])


def run(command: list[str]) -> tuple[str, float]:
    """What a process printed, and the MiB it held at most."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"error: {' '.join(command)} failed")
    return text, usage.ru_maxrss / 1024


def theirs(*arguments: str | int) -> tuple[float, float]:
    text, memory = run([sys.executable, __file__, "--peer", *map(str, arguments)])
    return float(text), memory


def ours(trainer: str, name: str, px: int, batch: int, steps: int) -> tuple[float, float]:
    stem = "imagenet" if name == "resnet18" else "small"
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "run"
        data = ROOT / "public/demo"
        command = [trainer, "pretrain", "--preset", "compact", "--device", "cpu", "--out", str(out)]
        command += ["--data", f"kind=folder,path={data}/eurosat.tar"]
        for change in [
            f"encoder.architecture={name}",
            f"encoder.stem={stem}",
            f"train.batch={batch}",
            f"train.crop_px=[[0,{px}]]",
            "train.epochs=1",
            f"run.samples_per_epoch={batch * (steps + 2)}",
            f"method.queue={batch * 32}",
            "method.norm_splits=1",
        ]:
            command += ["--set", change]
        _, memory = run(command)
        events = [json.loads(line) for line in open(out / "events.jsonl")]
        rates = [event["tiles_per_sec"] for event in events if event["event"] == "step"]
    return rates[-1], memory


def main() -> None:
    torch.set_num_threads(2)
    peer.check()
    if sys.argv[1:2] == ["--peer"]:
        variant, name, *numbers = sys.argv[2:]
        print(pytorch(variant, name, *map(int, numbers)))
        return
    defaults = ["compact-s", "64", "256", "12", ""]
    trainer, name, px, batch, steps, path = (sys.argv[1:] + defaults[len(sys.argv) - 2 :])[:6]
    px, batch, steps = int(px), int(batch), int(steps)
    own, others = [], {variant: [] for variant in peer.VARIANTS}
    for _ in range(3):
        for variant, measured in others.items():
            measured.append(theirs(variant, name, px, batch, steps))
        own.append(ours(trainer, name, px, batch, steps))
    _, best = peer.best(lambda variant: statistics.median(rate for rate, _ in others[variant]), largest=True)
    medians = [statistics.median(rate for rate, _ in rows) for rows in (own, others[best])]
    memory = [max(used for _, used in rows) for rows in (own, others[best])]
    case = f"{name}, {px} px, batch {batch}"
    print(f"| {case} | {medians[0]:.0f} | {medians[1]:.0f} | {medians[0] / medians[1]:.2f} | {memory[0]:.0f} | {memory[1]:.0f} | {best} |")
    if path:
        rows = json.loads(pathlib.Path(path).read_text())["rows"] if pathlib.Path(path).exists() else {}
        rows[f"training step {case}"] = {"ours": medians[0], "peer": medians[1], "unit": "tiles/s", "peer_variant": best}
        rows[f"training memory {case}"] = {"ours": memory[0], "peer": memory[1], "unit": "MiB", "peer_variant": best}
        record.save(path, f"PyTorch {torch.__version__}, 2 threads", rows)


if __name__ == "__main__":
    main()
