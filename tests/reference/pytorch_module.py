#!/usr/bin/env python3
"""The module that `trainer export --pytorch` writes, against the trainer.

usage: pytorch_module.py golden tests/numerics/goldens/pytorch-module.json
       pytorch_module.py check FOLDER MODEL

`golden` runs the module on weights by formula, for the Rust test that computes the same (tests/numerics/encoders.rs).
`check` loads an exported folder, embeds the golden tile of the model file that was exported with it, and compares with what the
trainer answered; ResNets also go through torchvision's own model. Needs torch, torchvision, safetensors.
"""

import importlib.util
import json
import pathlib
import sys

import numpy as np
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
# Width of the stem, widths and blocks of the stages, outputs of a block over its width, whether the first stage halves a tile.
PLANS = {
    "compact-xs": (24, [48, 96, 192], [1, 1, 1], 1, True),
    "compact-s": (32, [64, 128, 256], [1, 1, 1], 1, True),
    "compact-m": (32, [64, 128, 256], [2, 2, 2], 1, True),
    "resnet18": (64, [64, 128, 256, 512], [2, 2, 2, 2], 1, False),
    "resnet34": (64, [64, 128, 256, 512], [3, 4, 6, 3], 1, False),
    "resnet50": (64, [64, 128, 256, 512], [3, 4, 6, 3], 4, False),
}


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
            "plan": dict(zip(("stem", "widths", "blocks", "expansion", "shrinks_early"), PLANS[architecture])),
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


def golden_tile(pattern, bands, px):
    """shared::artifact::golden_tile, by its integer formula."""
    band, row, column = np.meshgrid(*(np.arange(n, dtype=np.uint32) for n in (bands, px, px)), indexing="ij")
    turned = lambda value, bits: (value << np.uint32(bits)) | (value >> np.uint32(32 - bits))
    pattern = np.uint32(pattern)
    ramp = (3 * column + 5 * row + 37 * band + pattern * np.uint32(11)) % np.uint32(192)
    mixed = column ^ turned(row, 10) ^ turned(band, 20) ^ turned(pattern, 25)
    mixed = mixed * np.uint32(0x9E3779B1)
    noise = ((mixed ^ (mixed >> np.uint32(15))) * np.uint32(0x85EBCA77)) >> np.uint32(26)
    return torch.from_numpy((ramp + noise).astype(np.float32) / 255)


def check(folder, model):
    import torchvision
    from safetensors.torch import load_file

    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    encoder = module(folder / "modeling_solstice.py").load(folder)
    header = pathlib.Path(model).read_bytes()
    header = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])
    golden = json.loads(header["__metadata__"]["solstice"])["golden"]
    with np.errstate(over="ignore"):
        tiles = golden_tile(golden["input_pattern"], len(config["bands"]), config["input_px"])[None]
    with torch.no_grad():
        found = encoder(tiles)[0]
        wanted = torch.tensor(golden["embedding"])
        error = (found - wanted).abs().max() / wanted.abs().max()
        cosine = torch.cosine_similarity(found, wanted, 0)
        print(f"golden tile: largest difference {error:.1e} of the largest value, cosine {cosine:.7f}")
        if config["architecture"].startswith("resnet") and config["pooling"] == "mean" and config["stem"] == "imagenet":
            own = getattr(torchvision.models, config["architecture"])(weights=None).eval()
            own.fc = torch.nn.Identity()
            weights = load_file(folder / "model.safetensors")
            own.load_state_dict({name: value for name, value in weights.items() if not name.startswith("fc.")})
            same = (own((tiles - encoder.mean) / encoder.std)[0] - found).abs().max() / found.abs().max()
            print(f"torchvision's {config['architecture']}: {same:.1e} from the module")
            assert same < 1e-5
    assert error < 5e-3 and cosine > 0.9999, "half precision explains no more"


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("golden", "check"):
        sys.exit(__doc__)
    {"golden": golden, "check": check}[sys.argv[1]](*sys.argv[2:])
