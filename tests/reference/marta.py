"""Goldens of MARTA GANs: one turn of the discriminator and two of the generator with Adam, from the paper's equations.

usage: python3 marta.py OUT_FOLDER        (PyTorch 1.13)
"""

import json
import pathlib
import sys

import torch
import torch.nn.functional as F
from compact import Compact
from patterns import digest, fill, uniform
from torch import nn

torch.set_num_threads(2)
N, PX, BANDS, LATENT, WIDTH = 8, 32, 3, 6, 16
LR, BETAS, EPSILON = 1e-2, (0.5, 0.999), 1e-2
FEATURE_WEIGHT = 0.01


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(LATENT, WIDTH * 16)
        self.norm = nn.BatchNorm2d(WIDTH)
        channels = [WIDTH, WIDTH // 2, WIDTH // 4, BANDS]
        last = len(channels) - 2
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 2, 1, bias=i == last) for i, (a, b) in enumerate(zip(channels, channels[1:]))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in channels[1:-1])

    def forward(self, z):
        x = F.relu(self.norm(self.dense(z).view(-1, WIDTH, 4, 4)))
        for layer, norm in zip(self.layers, self.norms):
            x = F.relu(norm(layer(x)))
        return torch.tanh(self.layers[-1](x))


def fuse(maps):
    side = maps[-1].shape[-1]
    return torch.cat([F.max_pool2d(m, m.shape[-1] // side).flatten(1) for m in maps[-3:]], 1)


class Paper(nn.Module):
    def __init__(self):
        super().__init__()
        channels = [BANDS, 16, 32, 64]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 5, 2, 2, bias=i == 0) for i, (a, b) in enumerate(zip(channels, channels[1:]))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in channels[2:])

    def maps(self, x):
        found = [F.leaky_relu(self.convs[0](x), 0.2)]
        for conv, norm in zip(self.convs[1:], self.norms):
            found.append(F.leaky_relu(norm(conv(found[-1])), 0.2))
        return found


class Own(Compact):
    def maps(self, x):
        found = [F.relu(self.bn1(self.conv1(x)))]
        for layer in [self.layer1, self.layer2, self.layer3]:
            found.append(layer(found[-1]))
        return found


class Discriminator(nn.Module):
    def __init__(self, name, trunk, width):
        super().__init__()
        setattr(self, name, trunk)
        self.trunk = [trunk]
        self.classifiers = nn.ModuleList([nn.Linear(width, 1)])

    def features(self, x, keeps_statistics=True):
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 0.1 if keeps_statistics else 0.0
        return fuse(self.trunk[0].maps(x))

    def logits(self, features):
        return self.classifiers[0](features)


def state(module) -> dict:
    return {name: digest(value) for name, value in module.state_dict().items() if "num_batches" not in name}


def gradients(module) -> dict:
    return {name: digest(p.grad) for name, p in module.named_parameters()}


def step(name, trunk, width) -> dict:
    d, g = Discriminator(name, trunk, width), Generator()
    fill(d, "query."), fill(g, "generator.")
    d.train(), g.train()
    adams = [torch.optim.Adam(module.parameters(), LR, BETAS, EPSILON) for module in (d, g)]
    real, z = uniform("marta.real", (N, BANDS, PX, PX)), uniform("marta.z", (N, LATENT))
    ones, zeros = torch.ones(N, 1), torch.zeros(N, 1)

    fake = g(z)
    losses = {"tiles": digest(fake)}
    of_real = F.binary_cross_entropy_with_logits(d.logits(d.features(real)), ones)
    of_fake = F.binary_cross_entropy_with_logits(d.logits(d.features(fake.detach(), False)), zeros)
    d.zero_grad()
    (of_real + of_fake).backward()
    losses["discriminator"] = [of_real.item(), of_fake.item()]
    losses["discriminator_gradients"] = gradients(d)
    adams[0].step()
    losses["discriminator_after"] = state(d)

    with torch.no_grad():
        target = d.features(real, False).mean(0)
    losses["updates"] = []
    for update in range(2):
        tiles = fake if update == 0 else g(z)
        features = d.features(tiles, False)
        fooled = F.binary_cross_entropy_with_logits(d.logits(features), ones)
        matched = (target - features.mean(0)).pow(2).sum()
        g.zero_grad()
        (fooled + FEATURE_WEIGHT * matched).backward()
        record = {"losses": [fooled.item(), matched.item()], "gradients": gradients(g)}
        adams[1].step()
        losses["updates"].append({**record, "after": state(g)})
    return losses


def main() -> None:
    record = {
        "paper": step("discriminator", Paper(), (16 + 32 + 64) * 16),
        "encoder": step("encoder", Own(24, [48, 96, 192], 1), (48 + 96 + 192) * 4),
    }
    (pathlib.Path(sys.argv[1]) / "marta.json").write_text(json.dumps(record))


main()
