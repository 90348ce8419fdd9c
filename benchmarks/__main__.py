"""All benchmarks at the published size, against a plain dense implementation of the published algorithm.

python -m benchmarks [--images 16] [--latents 49152] [--rounds 5] [--only step|atlas|backbone|interactive]
                     [--device cpu]

Prints a table of medians, with the range over rounds in brackets; what is compared takes turns in one process, so that
other work on the machine hurts all alike. With `--device cuda` (then give `--images 64`) step and backbone are measured
on the GPU, everything else on the CPU as before. `benchmarks.viewer`, `benchmarks.atlas_scale` and
`benchmarks.atlas_build --scale` are programs of their own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from benchmarks import atlas_build, backbone, interactive, training_step
from benchmarks.measuring import machine

Rows = list[tuple[str, str, str]]


def step(arguments: argparse.Namespace) -> Rows:
    """Measure a training step and its memory."""
    return training_step.measure(arguments.images, arguments.latents, arguments.rounds, arguments.device)


def atlas(arguments: argparse.Namespace) -> Rows:
    """Measure building an atlas from kept tokens."""
    return atlas_build.report(atlas_build.measure(latents=arguments.latents))


def tokens(arguments: argparse.Namespace) -> Rows:
    """Measure images to tokens."""
    return backbone.report(backbone.times(arguments.images, arguments.rounds, arguments.device), arguments.images)


def person(arguments: argparse.Namespace) -> Rows:
    """Measure what a person waits for."""
    return interactive.report(interactive.in_picture(arguments.latents, 30) | interactive.start_up())


PARTS: dict[str, Callable[[argparse.Namespace], Rows]] = {
    "step": step,
    "atlas": atlas,
    "backbone": tokens,
    "interactive": person,
}


def lines(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the table, part by part."""
    yield "| what | median (range) | goal |"
    yield "|---|---|---|"
    for name, part in PARTS.items():
        if arguments.only in (None, name):
            for what, result, goal in part(arguments):
                yield f"| {what} | {result} | {goal} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--latents", type=int, default=49_152)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    print(machine(), end="\n\n", flush=True)
    for line in lines(arguments):
        print(line, flush=True)


if __name__ == "__main__":
    main()
