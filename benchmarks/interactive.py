"""What a person waits for: heat maps, latents of a patch, start-up.

python -m benchmarks.interactive [--latents 49152] [--rounds 30]

The picture is one drawn cell of DinoBloom-B's sizes with 49,152 latents (`benchmarks.viewer`), loaded already.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def in_picture(latents: int, rounds: int) -> dict[str, list[float]]:
    """Return milliseconds of heat maps and of the latents of a patch."""
    from benchmarks.viewer import build, draw_scene
    from cytosae_toolkit import open_atlas
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.explore.scene import Spot

    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), 500, latents)
        scene = draw_scene(Explorer(open_atlas(Path(folder) / "a.atlas.zarr"), device="cpu"))
        chosen = scene.latents(rounds + 1).index.tolist()
        image = scene.parts[0].image
        return {
            "heat map of a latent on a loaded image": timed(lambda i: image.codes.heatmap(chosen[i]), rounds),
            "heat map of a latent on a field of twelve cells": timed(lambda i: scene.heat(chosen[i]), rounds),
            "top latents of a patch": timed(lambda i: scene.top_latents(Spot(i % 12, i % 16, 7 * i % 16)), rounds),
        }


def timed(call: Callable[[int], object], rounds: int) -> list[float]:
    """Return milliseconds of calls with 1 … `rounds`, after one with 0."""
    call(0)
    found = []
    for i in range(1, rounds + 1):
        start = time.perf_counter()
        call(i)
        found.append(1000 * (time.perf_counter() - start))
    return found


def start_up(rounds: int = 5) -> dict[str, list[float]]:
    """Return milliseconds of starting the program to say something that needs no computing."""

    def run(*arguments: str) -> Callable[[int], object]:
        command = [sys.executable, "-m", "cytosae_toolkit", *arguments]
        return lambda i: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    return {
        "start-up: --help": timed(run("--help"), rounds),
        "start-up: plugins": timed(run("plugins"), rounds),
    }


GOALS = {"heat map of a latent on a loaded image": "≤ 20 ms", "top latents of a patch": "≤ 40 ms"}


def report(found: dict[str, list[float]]) -> list[tuple[str, str, str]]:
    """Return rows of what, result, goal."""
    return [
        (name, f"{np.median(times):.2f} ms ({min(times):.2f} to {max(times):.2f})", GOALS.get(name, ""))
        for name, times in found.items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=int, default=49_152)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    for row in report(in_picture(arguments.latents, arguments.rounds) | start_up()):
        print(f"{row[0]:62} {row[1]:32} {row[2]}")


if __name__ == "__main__":
    main()
