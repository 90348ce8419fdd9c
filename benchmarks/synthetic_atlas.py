"""A synthetic image set for measuring atlases: a run with random weights, a table, and what "images" give.

The pass over the images is the real one; only decoding and encoding are replaced by drawing. Few latents fire on most
images and most fire on few (log-normal), each on some neighbouring patches; a tenth never fires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from cytosae_toolkit.atlas.encoding import ImageCode
from cytosae_toolkit.atlas.gathering import Seen, ranges
from cytosae_toolkit.atlas.part import Part
from cytosae_toolkit.atlas.pictures import encode_picture
from cytosae_toolkit.atlas.plan import BuildPlan
from cytosae_toolkit.atlas.streaming import Stream
from cytosae_toolkit.files import write_json
from cytosae_toolkit.images import ImageTable
from cytosae_toolkit.plugins import registry
from cytosae_toolkit.progress import SILENT
from cytosae_toolkit.training.image_fit import ImageFit, TokenSpread
from cytosae_toolkit.training.run import Run

GRID, PATCH, PREFIX, D_MODEL = (16, 16), 14, 1, 768
ACTIVE = 300
"""Latents drawn per image; some are drawn twice."""
SETS, LABELS, PATIENTS = ("north", "south"), 15, 400
CELLS_PER_IMAGE = 0.8
PICTURES = 32


def write_run(
    folder: Path, d_sae: int, *, l0: float | None = None, d_model: int = D_MODEL, grid: tuple[int, int] = GRID
) -> Run:
    """Write a finished run with random weights, of DinoBloom-B's sizes unless told otherwise.

    Parameters
    ----------
    folder : Path
        Where.
    d_sae : int
        Latents.
    l0 : float, optional
        Latents active on a token of independent standard normal numbers; without it half of them are.
    d_model, grid : int, (int, int)
        Length of a token; patches per axis.
    """
    folder.mkdir(parents=True)
    part = registry().get("sae", "relu-l1")
    backbone = {"fingerprint": "0" * 32, "layer": 10, "layers": 12, "grid": list(grid), "prefix_tokens": PREFIX}
    plugins = {"sae": part.record(part.parse_options({}))}
    record = {"format": "cytosae-run", "version": 1, "d_model": d_model, "d_sae": d_sae, "config": {}}
    write_json(folder / "config.json", record | {"plugins": plugins, "backbone": backbone})
    decoder = torch.randn((d_sae, d_model), generator=torch.Generator().manual_seed(0))
    decoder /= decoder.norm(dim=1, keepdim=True)
    share = 0.5 if l0 is None else l0 / d_sae
    bias = torch.full((d_sae,), float(torch.special.ndtri(torch.tensor(share, dtype=torch.float64))))
    weights = {"W_enc": decoder.T.contiguous(), "W_dec": decoder, "b_enc": bias, "b_dec": torch.zeros(d_model)}
    save_file(weights, folder / "sae.safetensors")
    usual = np.random.default_rng(0).normal(size=(2, 512))
    fit = ImageFit.of_values(0.3 + 0.05 * usual[0], 1 + 0.1 * usual[1], TokenSpread((0.0,) * d_model, ()))
    write_json(folder / "evaluation.json", {"image_fit": fit.to_json()})
    return Run(folder)


def image_table(n: int, root: Path) -> ImageTable:
    """Return a table of images of two laboratories, with labels, patients and groups; there are no files."""
    rng = np.random.default_rng(1)
    patient, key = rng.integers(PATIENTS, size=n), rng.integers(2**62, size=n).tolist()
    frame = pd.DataFrame(
        {
            "path": [f"smears/patient-{p:03d}/cell-{i:07d}.png" for i, p in enumerate(patient)],
            "id": [f"{value:016x}{i:08x}" for i, value in enumerate(key)],
            "label": np.array([f"cell type {i:02d}" for i in range(LABELS)], object)[rng.integers(LABELS, size=n)],
            "patient": np.array([f"patient-{p:03d}" for p in range(PATIENTS)], object)[patient],
            "group": [f"cell-{g:07d}" for g in np.sort(rng.integers(int(n * CELLS_PER_IMAGE) + 1, size=n))],
            "set": [SETS[2 * i // n] for i in range(n)],
        }
    )
    return ImageTable(frame, root, "synthetic", keys=[f"{value:032x}" for value in key])


def part_of(folder: Path, plan: BuildPlan) -> Part:
    """Return a part without blocks."""
    more = {"shard": 0, "first_row": 0, "patch_size": [PATCH, PATCH]}
    return Part.create(folder, plan.identity() | more, plan.images, plan.run)


def stream_part(folder: Path, run: Run, images: ImageTable, after_block: Callable[[], None]) -> Part:
    """Run the pass over the images of a build; `after_block` is called after each block."""

    def stop() -> bool:
        after_block()
        return False

    plan = BuildPlan(run, images, shard=(0, 1))
    part = part_of(folder, plan)
    DrawnStream(plan, part, images).run(SILENT, stop)
    part.finish([])
    return part


class DrawnStream(Stream):
    """The pass over the images, with drawn codes and pictures."""

    def __init__(self, plan: BuildPlan, part: Part, images: ImageTable) -> None:
        backbone: Any = SimpleNamespace(grid=GRID, patch_size=(PATCH, PATCH), prefix_tokens=PREFIX)
        view: Any = DrawnTokens(images)
        super().__init__(plan, part, backbone, view, images, "cpu", None)
        encoder: Any = DrawnCodes(self.d_sae)
        self.encoder = encoder

    def _look(self, todo: list[tuple[int, NDArray[np.int64]]]) -> Iterator[Seen]:
        rng = np.random.default_rng(2)
        pictures = [encode_picture(draw_picture(rng)) for _ in range(PICTURES)]
        for _, places in todo:
            for place in places.tolist():
                colour, cell = rng.normal(size=9).astype(np.float32), rng.uniform(0.1, 0.9, 3)
                yield Seen(pictures[place % PICTURES], colour, cell)


class DrawnTokens:
    """Random tokens, one prefix and one patch token: `DrawnCodes` needs none of them."""

    skipped = ()

    def __init__(self, images: ImageTable) -> None:
        self.keys, self.table_rows = images.content_keys(), np.arange(len(images))

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return float16 [n, 2, d_model]."""
        draws = np.random.default_rng(int(rows[0])).normal(size=(len(rows), 2, D_MODEL))
        return draws.astype(np.float16)


class DrawnCodes:
    """Stands for `ImageEncoder`."""

    prefix_tokens = PREFIX
    at_once = 1

    def __init__(self, d_sae: int) -> None:
        rng = np.random.default_rng(3)
        weights = np.exp(2 * rng.normal(size=d_sae)) * (rng.random(d_sae) > 0.1)
        self._cumulative = np.cumsum(weights / weights.sum())

    def encode(self, tokens: NDArray[np.float32], positions: list[int]) -> list[ImageCode]:
        """Draw the codes of images."""
        return [self._draw(position) for position in positions]

    def _draw(self, position: int) -> ImageCode:
        rng = np.random.default_rng(position)
        latent = np.unique(np.searchsorted(self._cumulative, rng.random(ACTIVE) * self._cumulative[-1]))
        lengths = 1 + rng.poisson(3, size=len(latent))
        begin = rng.integers(0, GRID[0] * GRID[1] - lengths)
        start = np.append(0, np.cumsum(lengths))
        activation = rng.exponential(size=start[-1]).astype(np.float32)
        largest = np.maximum.reduceat(activation, start[:-1])
        sums = np.add.reduceat(activation.astype(np.float64), start[:-1])
        return ImageCode(
            latent=latent, mean=(sums / (GRID[0] * GRID[1] + PREFIX)).astype(np.float32), max=largest,
            value=lengths.astype(np.float32), peak=begin.astype(np.int32), start=start,
            patch=ranges(begin, lengths).astype(np.int32),
            activation=activation, tokens_active=lengths, n_nonzero=int(start[-1]), fvu=float(rng.normal(0.3, 0.05)),
        )  # fmt: skip


def draw_picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a disc within a disc, uint8 [224, 224, 3]: it packs well, so that the atlas stays small."""
    y, x = np.mgrid[: GRID[0] * PATCH, : GRID[1] * PATCH]
    distance = np.hypot(y - rng.uniform(90, 130), x - rng.uniform(90, 130))[..., None]
    nucleus, cell, plasma = rng.integers((80, 140, 210), (140, 210, 256), (3, 3)).T
    return np.asarray(np.where(distance < 40, nucleus, np.where(distance < 80, cell, plasma)), dtype=np.uint8)
