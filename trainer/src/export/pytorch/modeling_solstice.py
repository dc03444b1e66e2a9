"""A Solstice encoder in PyTorch: load("folder") → a module from tiles [n, bands, px, px] on the unit scale (value / 255, or
reflectance) to embeddings [n, width]. `encoder.fc`, where there is one, is the linear head on them. The weights have
torchvision's names, so those of a ResNet load into torchvision's and timm's own model, whose input is normalised outside."""

import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        plan, bands = config["plan"], len(config["bands"])
        block, inputs, shrinks_early = {1: BasicBlock, 4: Bottleneck}[plan["expansion"]], plan["stem"], plan["shrinks_early"]
        self.is_sobel, has_pool = config["stem"] == "sobel", config["stem"] == "imagenet"
        kernel, stride = (7, 2) if has_pool else (3, 2 if shrinks_early else 1)
        self.conv1 = nn.Conv2d(2 if self.is_sobel else bands, inputs, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if has_pool else nn.Identity()
        channels = inputs
        for stage, (width, count) in enumerate(zip(plan["widths"], plan["blocks"])):
            blocks = []
            for index in range(count):
                stride = 2 if index == 0 and (stage > 0 or shrinks_early and not has_pool) else 1
                outputs, shortcut = width * block.expansion, None
                if stride != 1 or inputs != outputs:
                    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
                blocks.append(block(inputs, width, stride, shortcut))
                inputs = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            channels += inputs
        self.stages, self.has_moments = len(plan["widths"]), config["pooling"] == "moments"
        if self.has_moments:
            self.readout = nn.Linear(2 * channels, config["embedding_width"])
        if config["classes"]:
            self.fc = nn.Linear(config["embedding_width"], len(config["classes"]))
        across = torch.tensor([1.0, 0.0, -1.0])
        along = torch.tensor([1.0, 2.0, 1.0])
        sobel = torch.stack([torch.outer(along, across), torch.outer(across, along)])
        for name, values in {
            "mean": torch.tensor(config["mean"]).reshape(-1, 1, 1),
            "std": torch.tensor(config["std"]).reshape(-1, 1, 1),
            "sobel": sobel[:, None].repeat(1, bands, 1, 1) / bands,
        }.items():
            self.register_buffer(name, values, persistent=False)

    def forward(self, tiles):
        x = (tiles - self.mean) / self.std
        if self.is_sobel:
            x = F.conv2d(x, self.sobel, padding=1)
        maps = [self.maxpool(F.relu(self.bn1(self.conv1(x))))]
        for stage in range(self.stages):
            maps.insert(0, getattr(self, f"layer{stage + 1}")(maps[0]))
        if not self.has_moments:
            return maps[0].mean((2, 3))
        moments = [map.mean((2, 3)) for map in maps] + [map.var((2, 3), unbiased=False).sqrt() for map in maps]
        return self.readout(torch.cat(moments, 1))


def load(folder):
    folder = pathlib.Path(folder)
    encoder = Encoder(json.loads((folder / "config.json").read_text()))
    encoder.load_state_dict(load_file(folder / "model.safetensors"))
    return encoder.eval()
