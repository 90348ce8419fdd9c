"""Kept tokens → atlas: images a second against the published way and against the encoder's product alone.

python -m benchmarks.atlas_build [--images 256] [--latents 49152] [--threads N] [--scale]

Tokens are independent standard normal numbers, weights random unit rows, and the encoder's bias leaves 200 latents
active on a token: the active latents of an image are then nearly all different ones, which is the hardest case for all
that is done per active latent. After every block of 64 images of the real pass over the images, the encoder's product
and the published way (latents and reconstructions of 16 images as dense arrays, mean over tokens, top images per
latent merged by `torch.topk`) are run on 16 images, so that all share whatever else the machine does. Once without
pictures, once with pictures that are read, measured and packed beside the encoder, as in every real build. Memory is
the peak of a process of its own beyond what it holds once the weights and, by a build with few latents, the libraries
are loaded.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import in_process

if TYPE_CHECKING:
    import torch

    from cytosae_toolkit.atlas.part import Part
    from cytosae_toolkit.training.run import Run

BLOCK, BATCH = 64, 16
L0 = 200
MEMORY_IMAGES = (64, 192)
WARM_LATENTS = 512
SCALE_IMAGES, SCALE_LATENTS = (1_000, 10_000, 100_000), 512
WAYS = ("product", "published", "ours", "ours with pictures")

Seconds = tuple[float, float]
"""Wall and CPU seconds of an image."""


class Clock:
    """Wall and CPU seconds per image."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seconds(self, images: int) -> Seconds:
        """Return what each of some images took since `start`."""
        return (time.perf_counter() - self._wall) / images, (time.process_time() - self._cpu) / images


def measure(images: int = 256, latents: int = 49_152, threads: int | None = None) -> dict[str, Any]:
    """Measure all ways in one interleaved run, and the peak memory of each in a process of its own.

    Parameters
    ----------
    images : int
        That ours goes through, in blocks of 64; the first, which warms up, does not count.
    latents : int
        d_sae.
    threads : int, optional
        PyTorch's; by default as many as it chooses.

    Returns
    -------
    dict
        `images per second` and `cpu seconds per image` by way (medians), `spread` of the seconds (largest over
        smallest), `ratio to published` and `share of product` by way, each from the times of the same block, by wall
        and by CPU time; `peak megabytes` by way, `peak megabytes ours` by number of images; `l0`.
    """
    import torch

    from benchmarks.kept_tokens import write_pictures
    from benchmarks.synthetic_atlas import write_run

    if threads is not None:
        torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = write_run(folder / "run", latents, l0=L0)
        write_pictures(folder)
        rounds = [_interleaved(folder, run, images, pictures) for pictures in (False, True)]
        return {"l0": L0, "threads": torch.get_num_threads()} | _summary(*rounds) | _memory(folder, latents)


def _interleaved(folder: Path, run: Run, images: int, pictures: bool) -> list[dict[str, Seconds]]:
    """Return the times of each block: of ours, and of the others after it."""
    from benchmarks.kept_tokens import stream_of
    from cytosae_toolkit.progress import SILENT

    others, gate, clock, found = Others(run), Event(), Clock(), list[dict[str, Seconds]]()
    stream = stream_of(folder, run, images, wait=gate.wait if pictures else None, name="seen" if pictures else "blind")

    turn, encode = Lock(), stream.encoder.encode

    def encode_in_turn(*batch: Any) -> Any:
        with turn:
            return encode(*batch)

    def after_block() -> bool:
        with turn:  # what is encoded ahead of the next block ends first, as it did before this one
            own = clock.seconds(min(BLOCK, images))
            gate.clear()
            found.append({"ours": own} | others.seconds())
            gate.set()
            clock.start()
        return False

    stream.encoder.encode = encode_in_turn  # type: ignore[method-assign]
    gate.set()
    clock.start()
    stream.run(SILENT, after_block)
    return found[1:] or found


class Others:
    """The encoder's product alone and the published way, on a batch of images."""

    def __init__(self, run: Run) -> None:
        import torch

        from benchmarks.kept_tokens import Published

        self.tokens = torch.randn(BATCH, 257, run.sae.d_model, generator=torch.Generator().manual_seed(6))
        self.weights = {name: value.detach() for name, value in run.sae.state_dict().items()}
        self.published = Published(self.weights)

    def product(self) -> torch.Tensor:
        """Return all pre-activations without bias."""
        return self.tokens.flatten(0, 1) @ self.weights["W_enc"]

    def seconds(self) -> dict[str, Seconds]:
        """Run both."""
        found = {}
        for name, function in (("product", self.product), ("published", lambda: self.published.add(self.tokens, 0))):
            clock = Clock()
            function()
            found[name] = clock.seconds(BATCH)
        return found


def _summary(blind: list[dict[str, Seconds]], seen: list[dict[str, Seconds]]) -> dict[str, Any]:
    """Return medians over blocks, and medians of ratios within blocks."""
    blocks = [block for part in (blind, seen) for block in part]
    own = {"product": blocks, "published": blocks, "ours": blind, "ours with pictures": seen}
    times = {way: [block["ours" if way.startswith("ours") else way] for block in part] for way, part in own.items()}
    wall = {way: [seconds[0] for seconds in values] for way, values in times.items()}
    return {
        "images per second": {way: 1 / median(values) for way, values in wall.items()},
        "cpu seconds per image": {way: median(cpu for _, cpu in values) for way, values in times.items()},
        "spread": {way: max(values) / min(values) for way, values in wall.items()},
        "ratio to published": {way: _ratios(own[way], way, "published") for way in WAYS},
        "share of product": {way: _ratios(own[way], way, "product") for way in WAYS},
    }


def _ratios(blocks: list[dict[str, Seconds]], way: str, to: str) -> dict[str, float]:
    """Return how many times as fast as another way a way is, by wall and by CPU time."""
    key = "ours" if way.startswith("ours") else way
    return {name: median(block[to][i] / block[key][i] for block in blocks) for i, name in enumerate(("wall", "cpu"))}


def _memory(folder: Path, latents: int) -> dict[str, Any]:
    ours = {n: _in_process("ours", folder, n, latents)["peak megabytes"] for n in MEMORY_IMAGES}
    others = {way: _in_process(way, folder, BATCH, latents)["peak megabytes"] for way in ("product", "published")}
    return {"peak megabytes": others | {"ours": max(ours.values())}, "peak megabytes ours": ours}


def scale(images: tuple[int, ...] = SCALE_IMAGES, latents: int = SCALE_LATENTS) -> dict[int, dict[str, float]]:
    """Return seconds per image (pass and assembly) and peak memory of atlases of more and more images, few latents.

    Tokens are synthetic, 257 of length 768 an image; everything but pictures is the real thing.
    """
    found = {}
    for n in images:
        with tempfile.TemporaryDirectory() as folder:
            found[n] = _in_process("scale", Path(folder), n, latents)
    return found


def _stage_product(folder: Path, images: int, latents: int) -> dict[str, float]:
    others = Others(_run(folder))
    _use_libraries()
    return _peak_of(others.product)


def _stage_published(folder: Path, images: int, latents: int) -> dict[str, float]:
    others = Others(_run(folder))
    _use_libraries()
    return _peak_of(lambda: others.published.add(others.tokens, 0))


def _stage_ours(folder: Path, images: int, latents: int) -> dict[str, float]:
    from benchmarks.kept_tokens import stream_of
    from benchmarks.synthetic_atlas import write_run
    from cytosae_toolkit.progress import SILENT

    small = write_run(folder / f"small-{images}", WARM_LATENTS, l0=WARM_LATENTS / 20)
    stream_of(folder, small, BATCH, wait=lambda: None, name=f"warm-{images}").run(SILENT, lambda: False)
    run = _run(folder)
    run.sae.eval()
    return _peak_of(
        lambda: stream_of(folder, run, images, wait=lambda: None, name=f"memory-{images}").run(SILENT, lambda: False)
    )


def _stage_scale(folder: Path, images: int, latents: int) -> dict[str, float]:
    from benchmarks.kept_tokens import stream_of
    from benchmarks.synthetic_atlas import write_run
    from cytosae_toolkit.atlas.building import assembly_of
    from cytosae_toolkit.progress import SILENT

    run = write_run(folder / "run", latents, l0=latents / 20)

    def pass_over(n: int, name: str) -> Part:
        stream = stream_of(folder, run, n, name=name)
        stream.run(SILENT, lambda: False)
        stream.part.finish([])
        return stream.part

    def build(n: int, name: str) -> None:
        assembly_of(run, [pass_over(n, name)], SILENT).write(folder / f"{name}.atlas.zarr")

    build(BLOCK, "warm")  # loads the libraries
    clock = Clock()
    found = _peak_of(lambda: build(images, "part"))
    wall, cpu = clock.seconds(images)
    return found | {"seconds per image": wall, "cpu seconds per image": cpu}


def _use_libraries() -> None:
    """Let PyTorch load what products need, which is not what is measured."""
    import torch

    torch.rand(WARM_LATENTS, WARM_LATENTS) @ torch.rand(WARM_LATENTS, WARM_LATENTS)


STAGES: dict[str, Callable[[Path, int, int], dict[str, float]]] = {
    "product": _stage_product, "published": _stage_published, "ours": _stage_ours, "scale": _stage_scale,
}  # fmt: skip


def _run(folder: Path) -> Run:
    from cytosae_toolkit.training.run import Run

    return Run(folder / "run")


def _peak_of(function: Callable[[], Any]) -> dict[str, float]:
    """Return by how much a function raises the resident memory of the process beyond what it holds before."""
    with suppress(OSError):  # forget the peak of loading; elsewhere than on Linux it stays part of both
        Path("/proc/self/clear_refs").write_text("5")
    before = _resident()
    function()
    return {"peak megabytes": _resident() - before}


def _resident() -> float:
    """Return the largest resident memory so far, MB; on Linux the kernel's own account begins with the parent's."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def _in_process(stage: str, folder: Path, images: int, latents: int) -> Any:
    size = ("--images", str(images), "--latents", str(latents))
    return in_process("benchmarks.atlas_build", "--stage", stage, "--folder", str(folder), *size)


def table(found: dict[str, Any]) -> str:
    """Return what `measure` found as a table."""
    lines = [
        f"{'':20}{'images/s':>10}{'spread':>8}{'x published':>13}{'of product':>12}{'(CPU)':>8}{'CPU s':>8}{'MB':>7}"
    ]
    for way in WAYS:
        ratio, share = found["ratio to published"][way], found["share of product"][way]
        peak = found["peak megabytes"].get("ours" if way.startswith("ours") else way)
        lines.append(
            f"{way:20}{found['images per second'][way]:10.2f}{found['spread'][way]:8.2f}{ratio['wall']:13.2f}"
            f"{share['wall']:12.0%}{share['cpu']:8.0%}{found['cpu seconds per image'][way]:8.3f}{peak:7.0f}"
        )
    peaks = ", ".join(f"{n} images {peak:.0f} MB" for n, peak in found["peak megabytes ours"].items())
    return "\n".join([*lines, f"Memory of ours: {peaks}. {found['threads']} threads, L0 {found['l0']}."])


def report(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return rows of what, result, goal."""
    rows = []
    for way, what in (("ours", "without pictures"), ("ours with pictures", "with pictures")):
        ratio, share = found["ratio to published"][way]["wall"], found["share of product"][way]["wall"]
        rate = found["images per second"][way]
        rows.append((f"tokens → atlas, {what}: images/s", f"{rate:.2f}", ""))
        rows.append((f"tokens → atlas, {what}: times faster than published", f"{ratio:.2f}", "≥ 1.7"))
        rows.append((f"tokens → atlas, {what}: share of the encoder's product", f"{share:.0%}", "≥ 75 %"))
    ours, published = found["peak megabytes"]["ours"], found["peak megabytes"]["published"]
    rows.append(("tokens → atlas: memory", f"1/{published / ours:.1f} ({ours:.0f} of {published:.0f} MB)", "≤ 1/4"))
    return rows


def scale_table(found: dict[int, dict[str, float]]) -> str:
    """Return what `scale` found as a table."""
    return "\n".join(
        f"{n:>9,} images: {1000 * one['seconds per image']:6.2f} ms an image ({1000 * one['cpu seconds per image']:.2f}"
        f" CPU), {one['peak megabytes']:.0f} MB"
        for n, one in found.items()
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--latents", type=int, default=49_152)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--scale", action="store_true", help="cost over images instead")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        print(json.dumps(STAGES[arguments.stage](arguments.folder, arguments.images, arguments.latents)))
    elif arguments.scale:
        print(scale_table(scale()))
    else:
        print(table(measure(arguments.images, arguments.latents, arguments.threads)))


if __name__ == "__main__":
    main()
