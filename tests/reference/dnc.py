"""Goldens of Divide and Contrast: MoCLR steps with LARS, and a distillation step, from the paper's equations.

usage: python3 dnc.py OUT_FOLDER        (PyTorch 1.13)
"""

import copy
import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from compact import Compact
from patterns import digest, fill, uniform
from torch import nn

torch.set_num_threads(2)
N, PX, HIDDEN, DIM = 8, 32, 32, 16


class Mlp(nn.Module):
    def __init__(self, width: int, dim: int, last: bool):
        super().__init__()
        self.fc1 = nn.Linear(width, HIDDEN)
        self.bn1 = nn.BatchNorm1d(HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, dim)
        self.bn2 = nn.BatchNorm1d(dim) if last else None

    def forward(self, x):
        x = self.fc2(F.relu(self.bn1(self.fc1(x))))
        return x if self.bn2 is None else self.bn2(x)


class Network(nn.Module):
    def __init__(self, mlps):
        super().__init__()
        self.encoder = Compact(24, [48, 96, 192], 1)
        self.mlps = nn.ModuleList(mlps)


def state(module: nn.Module) -> dict:
    return {name: digest(value) for name, value in module.state_dict().items() if "num_batches" not in name}


def moclr(steps: int = 3) -> dict:
    temperature, start, trust, decay, lr, mu = 0.1, 0.9, 0.02, 1e-2, 0.5, 0.9
    online = Network([Mlp(192, DIM, True)])
    fill(online, "query.")
    target = copy.deepcopy(online)
    online.train(), target.train()
    velocity, record = {}, []
    for step in range(steps):
        views = [uniform(f"moclr{step}.view{v}", (N, 3, PX, PX)) for v in range(2)]
        z = [F.normalize(online.mlps[0](online.encoder(view)), dim=1) for view in views]
        momentum = 1 - (1 - start) * (1 + math.cos(math.pi * step / steps)) / 2
        with torch.no_grad():
            for own, other in zip(target.parameters(), online.parameters()):
                own.mul_(momentum).add_(other, alpha=1 - momentum)
            t = [F.normalize(target.mlps[0](target.encoder(view)), dim=1) for view in views]
        own = torch.arange(N)
        losses = [F.cross_entropy(z[a] @ t[1 - a].T / temperature, own) for a in range(2)]
        online.zero_grad()
        (sum(losses) / 2).backward()
        with torch.no_grad():
            for name, p in online.named_parameters():
                g = p.grad
                if p.ndim > 1:  # LARS leaves biases and normalisations alone
                    g = g + decay * p
                    g = g * trust * p.norm() / g.norm()
                velocity[name] = mu * velocity[name] + g if name in velocity else g.clone()
                p -= lr * velocity[name]
        record.append(
            {
                "losses": [loss.item() for loss in losses],
                "velocity": {name: digest(v) for name, v in velocity.items()},
                "target": state(target),
            }
        )
    return {"steps": record}


def distill() -> dict:
    """A base and two experts; the samples belong to cluster 0 or 1."""
    teachers = [Compact(24, [48, 96, 192], 1) for _ in range(3)]
    for index, teacher in enumerate(teachers):
        fill(teacher, f"teacher{index}.")
        teacher.eval()
    student = Network([Mlp(192, DIM, True)] + [Mlp(DIM, 192, False) for _ in range(3)])
    fill(student, "query.")
    student.train()
    x = uniform("distill.view", (N, 3, PX, PX))
    clusters = [0, 1, 0, 0, 1, 1, 0, 1]
    with torch.no_grad():
        targets = [F.normalize(teacher(x), dim=1) for teacher in teachers]
    z = student.mlps[0](student.encoder(x))
    base = sum(0.5 * (r - t).pow(2).sum() for r, t in zip(student.mlps[1](z), targets[0])) / N
    answers = [regressor(z) for regressor in student.mlps[2:]]
    expert = sum(0.5 * (answers[k][i] - targets[1 + k][i]).pow(2).sum() for i, k in enumerate(clusters)) / N
    (base + expert).backward()
    gradients = {name: digest(p.grad) for name, p in student.named_parameters()}
    return {"losses": [base.item(), expert.item()], "gradients": gradients}


def main() -> None:
    (pathlib.Path(sys.argv[1]) / "dnc.json").write_text(json.dumps({"moclr": moclr(), "distill": distill()}))


main()
