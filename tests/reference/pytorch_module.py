#!/usr/bin/env python3
"""The module that `trainer export --pytorch` writes, against the trainer.

usage: pytorch_module.py golden tests/numerics/goldens/pytorch-module.json
       pytorch_module.py check FOLDER SITE

`golden` runs the module on weights by formula, for the Rust test that computes the same (tests/numerics/encoders.rs).
`check` loads an exported folder, embeds the samples of a site, and compares with what the trainer answered for them
(models/expected.json); ResNets also go through torchvision's own model. Needs torch, torchvision, safetensors, Pillow.
"""

import importlib.util
import json
import pathlib
import sys

import torch
from patterns import digest, fill, uniform

MODULE = pathlib.Path(__file__).parents[2] / "trainer/src/export/pytorch/modeling_solstice.py"
CASES = [
    ("compact-xs", "sobel", "moments", 32),
    ("compact-s", "small", "moments", 64),
    ("compact-m", "imagenet", "mean", 64),
    ("resnet18", "small", "moments", 32),
    ("resnet34", "imagenet", "mean", 64),
    ("resnet50", "sobel", "mean", 32),
]
WIDTH = 20


def module(path):
    spec = importlib.util.spec_from_file_location("modeling_solstice", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def golden(path):
    cases = []
    for architecture, stem, pooling, px in CASES:
        config = {
            "architecture": architecture,
            "stem": stem,
            "bands": ["B4", "B3", "B2"],
            "mean": [0.1, 0.2, 0.3],
            "std": [0.5, 0.6, 0.7],
            "pooling": pooling,
            "embedding_width": WIDTH,
            "classes": [],
        }
        encoder = module(MODULE).Encoder(config).eval()
        fill(encoder)
        with torch.no_grad():
            embedding = encoder.double()(uniform("tiles", (2, 3, px, px)).double())
        case = {"architecture": architecture, "stem": stem, "pooling": pooling, "px": px}
        cases.append({**case, "embedding": digest(embedding, 64)})
    pathlib.Path(path).write_text(json.dumps({"cases": cases}) + "\n")


def check(folder, site):
    import numpy as np
    import torchvision
    from PIL import Image
    from safetensors.torch import load_file

    folder, site = pathlib.Path(folder), pathlib.Path(site)
    config = json.loads((folder / "config.json").read_text())
    encoder = module(folder / "modeling_solstice.py").load(folder)
    expected = json.loads((site / "models/expected.json").read_text())["tiles"]
    pixels = [np.asarray(Image.open(site / tile["file"]).convert("RGB")) for tile in expected]
    tiles = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    assert tiles.shape[-1] == config["input_px"], "the samples must have the model's size"
    with torch.no_grad():
        found = encoder(tiles)
        wanted = torch.tensor([tile["embedding"] for tile in expected])
        error = ((found - wanted).abs().amax(1) / wanted.abs().amax(1)).max()
        cosine = torch.cosine_similarity(found, wanted).min()
        print(f"{len(expected)} tiles: largest difference {error:.1e} of the largest value, cosine at least {cosine:.7f}")
        if config["classes"]:
            classes = [config["classes"][index] for index in encoder.fc(found).argmax(1)]
            print(sum(a == b["class"] for a, b in zip(classes, expected)), "classes are the same")
        if config["architecture"].startswith("resnet") and config["pooling"] == "mean":
            # The width of the head is that of the classes, or none.
            model = getattr(torchvision.models, config["architecture"])(weights=None).eval()
            weights = load_file(folder / "model.safetensors")
            missing, unexpected = model.load_state_dict({k: v for k, v in weights.items() if k[:2] != "fc"}, strict=False)
            assert {name.split(".")[-1] for name in missing} <= {"weight", "bias", "num_batches_tracked"}, missing
            assert not unexpected, unexpected
            model.fc = torch.nn.Identity()
            same = (model((tiles - encoder.mean) / encoder.std) - found).abs().max() / found.abs().max()
            print(f"torchvision's {config['architecture']}: {same:.1e} from the module")
    assert error < 5e-3 and cosine > 0.9999, "half precision explains no more"


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("golden", "check"):
        sys.exit(__doc__)
    {"golden": golden, "check": check}[sys.argv[1]](*sys.argv[2:])
