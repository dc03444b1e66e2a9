"""MoCo-v2 training tiles a second: PyTorch's same network, batch and step beside the trainer, one after the other.

PyTorch gets its batches ready-made; the trainer decodes, augments and loads as it always does.

usage: python3 tests/bench/training.py TRAINER_BINARY [compact-s|resnet18] [PX] [BATCH] [STEPS] [JSON_FILE]
"""

import json
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


def pytorch(name: str, px: int, batch: int, steps: int) -> float:
    def side() -> torch.nn.Module:
        backbone = network(name)
        width = backbone.width
        head = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 128))
        return torch.nn.Sequential(backbone, head).train()

    query, key = side(), side()
    queue = F.normalize(torch.randn(batch * 32, 128), dim=1)
    optimiser = torch.optim.SGD(query.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
    views = torch.randn(2, batch, 3, px, px)
    seconds = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        q = F.normalize(query(views[0]), dim=1)
        with torch.no_grad():
            for own, other in zip(key.parameters(), query.parameters()):
                own.mul_(0.99).add_(other, alpha=0.01)
            k = F.normalize(key(views[1]), dim=1)
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / 0.2
        loss = F.cross_entropy(logits, torch.zeros(batch, dtype=torch.long))
        queue = torch.cat([queue[batch:], k])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - start)
    return batch / statistics.median(seconds[2:])


def ours(trainer: str, name: str, px: int, batch: int, steps: int) -> float:
    stem = "imagenet" if name == "resnet18" else "small"
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        data = ROOT / "public/demo"
        command = [trainer, "pretrain", "--preset", "compact", "--device", "cpu", "--out", str(run)]
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
        subprocess.run(command, check=True, capture_output=True)
        events = [json.loads(line) for line in open(run / "events.jsonl")]
        rates = [event["tiles_per_sec"] for event in events if event["event"] == "step"]
    return rates[-1]


def main() -> None:
    defaults = ["compact-s", "64", "256", "12", ""]
    trainer, name, px, batch, steps, path = (sys.argv[1:] + defaults[len(sys.argv) - 2 :])[:6]
    px, batch, steps = int(px), int(batch), int(steps)
    torch.set_num_threads(2)
    rows = {"PyTorch": [], "Solstice": []}
    for _ in range(3):
        rows["PyTorch"].append(pytorch(name, px, batch, steps))
        rows["Solstice"].append(ours(trainer, name, px, batch, steps))
    own, peer = statistics.median(rows["Solstice"]), statistics.median(rows["PyTorch"])
    print(f"| {name}, {px} px, batch {batch} | {own:.0f} | {peer:.0f} | {own / peer:.2f} |")
    if path:
        row = {"ours": own, "peer": peer, "unit": "tiles/s"}
        known = json.loads(pathlib.Path(path).read_text())["rows"] if pathlib.Path(path).exists() else {}
        known[f"training step {name} {px} px batch {batch}"] = row
        record.save(path, f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads", known)


main()
