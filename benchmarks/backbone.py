"""Images to tokens against full forward passes of the same model.

python -m benchmarks.backbone [--images 16] [--rounds 5] [--device cpu]

The model is DinoBloom-B with random weights, read at the layer before the last. Ours is the whole way: image files are
decoded in threads, preprocessed, and pass the blocks that are needed. The full passes are given batches of the same
size (8 on the CPU, 64 on a GPU) that are preprocessed already, in the same precision.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.full_size import write_random_weights
from benchmarks.measuring import awaited, interleaved, ratios, spread
from cytosae_toolkit.devices import autocast, resolve_precision

SIDE = 360


def times(images: int, rounds: int, device: str = "cpu") -> dict[str, list[float]]:
    """Return seconds of both ways, interleaved, for so many images."""
    with tempfile.TemporaryDirectory() as folder:
        calls = ways(Path(folder), images, device)
        return interleaved({name: awaited(call, device) for name, call in calls.items()}, rounds)


def ways(folder: Path, n: int, device: str) -> dict[str, Any]:
    """Return both ways as functions."""
    from PIL import Image

    import cytosae_toolkit as ct
    from cytosae_toolkit.images import read_images
    from cytosae_toolkit.tokens import TokenComputer, identity_for
    from cytosae_toolkit.tokens.compute import Group

    write_random_weights(folder / "weights.pth")
    backbone = ct.create_backbone("dinobloom-b", checkpoint=folder / "weights.pth", device=device)
    rng = np.random.default_rng(0)
    (folder / "cells").mkdir()
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(folder / "cells" / f"{i:04}.png")
    table = read_images(folder / "cells")
    computer = TokenComputer(backbone, identity_for(backbone, -2, folder / "store"))
    ready = torch.stack([backbone.preprocess(table.read(row)) for row in range(n)]).to(device)
    model, size, precision = backbone, computer.batch_size, resolve_precision("auto", device)

    def full() -> None:
        with torch.inference_mode(), autocast(device, precision):
            for first in range(0, n, size):
                model.model(ready[first : first + size])

    def ours() -> None:
        for _ in computer.run(table, [Group("all", tuple(range(n)))]):
            pass

    return {"full": full, "ours": ours}


def report(found: dict[str, list[float]], images: int) -> list[tuple[str, str, str]]:
    """Return rows of what, result, goal."""
    rate = images / float(np.median(found["ours"]))
    return [
        ("images → tokens, DinoBloom-B: images/s", f"{rate:.2f}", ""),
        ("images → tokens: times faster than full passes", spread(ratios(found["full"], found["ours"])), "≥ 1.05"),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    for row in report(times(arguments.images, arguments.rounds, arguments.device), arguments.images):
        print(f"{row[0]:62} {row[1]:32} {row[2]}")


if __name__ == "__main__":
    main()
