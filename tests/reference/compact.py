"""The compact family in PyTorch, built of torchvision's blocks: the oracle of our own."""

import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock


class Compact(nn.Module):
    """The compact family, built of torchvision's blocks."""

    def __init__(self, stem: int, widths: list[int], blocks: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        inputs = stem
        for index, width in enumerate(widths, start=1):
            layers = []
            for block in range(blocks):
                stride = 2 if block == 0 else 1
                shortcut = None
                if block == 0:
                    shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))
                layers.append(BasicBlock(inputs, width, stride, shortcut))
                inputs = width
            setattr(self, f"layer{index}", nn.Sequential(*layers))
        self.width = inputs

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return x.mean(dim=(2, 3))
