"""What atlases are measured with: kept tokens, pictures on disk, the pass over them, and the published way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.synthetic_atlas import PATCH, PREFIX, draw_picture, image_table, part_of
from cytosae_toolkit.atlas.gathering import Seen
from cytosae_toolkit.atlas.plan import BuildPlan
from cytosae_toolkit.atlas.streaming import Stream
from cytosae_toolkit.images import ImageTable
from cytosae_toolkit.training.run import Run

TOP = 10
POOL = 32
SIDE = 360
"""Pixels per axis of the pictures."""


class NormalTokens:
    """Tokens of images as kept ones are read: float16; a few are drawn and turned, so that drawing costs nothing."""

    skipped = ()

    def __init__(self, images: ImageTable, n_tokens: int, d_model: int) -> None:
        self.keys, self.table_rows = images.content_keys(), np.arange(len(images))
        draws = np.random.default_rng(4).standard_normal((POOL, n_tokens, d_model), dtype=np.float32)
        self._pool = draws.astype(np.float16)

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return float16 [n, n_tokens, d_model]; no two images are the same."""
        return np.stack([np.roll(self._pool[row % POOL], row // POOL, axis=(0, 1)) for row in rows.tolist()])


class Published:
    """Mean activations and the best images of each latent as published: dense, 16 images at a time."""

    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        self.weights = weights
        d_sae = len(weights["W_dec"])
        self.best = torch.full((d_sae, TOP), float("-inf"))
        self.rows = torch.full((d_sae, TOP), -1, dtype=torch.int64)
        self.error = 0.0

    def add(self, tokens: torch.Tensor, first_row: int) -> None:
        """Add images, float32 [n, n_tokens, d_model]."""
        w = self.weights
        x = tokens.flatten(0, 1)
        h = torch.relu((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"])
        self.error += float((h @ w["W_dec"] + w["b_dec"] - x).square().mean())
        means = h.unflatten(0, tokens.shape[:2]).mean(dim=1)
        rows = torch.arange(first_row, first_row + len(tokens)).expand(len(self.best), -1)
        self.best, place = torch.cat([self.best, means.T], dim=1).topk(TOP, dim=1)
        self.rows = torch.cat([self.rows, rows], dim=1).gather(1, place)


class BlindStream(Stream):
    """The pass over the images without pictures."""

    def _look(self, todo: list[tuple[int, NDArray[np.int64]]]) -> Iterator[Seen]:
        one = Seen(bytes(100), np.zeros(9, dtype=np.float32), np.full(3, 0.5))
        return (one for _, places in todo for _ in places)


class GatedTable(ImageTable):
    """Images that are read only while `wait` returns."""

    wait: Callable[[], Any]

    def read(self, i: int) -> NDArray[np.uint8]:
        """Decode an image as soon as it may be."""
        self.wait()
        return super().read(i)


def write_pictures(folder: Path) -> None:
    """Write pictures of cells with some grain, PNG, whose size as lossless WebP is that of real ones."""
    rng = np.random.default_rng(5)
    for i in range(POOL):
        cell = np.asarray(Image.fromarray(draw_picture(rng)).resize((SIDE, SIDE)), dtype=np.float32)
        coarse = Image.fromarray(rng.normal(0, 12, (SIDE // 2, SIDE // 2)).astype(np.float32))
        grain = np.asarray(coarse.resize((SIDE, SIDE)))[..., None] + rng.normal(0, 2, cell.shape)
        Image.fromarray((cell + grain).clip(0, 255).astype(np.uint8)).save(folder / f"{i:02d}.png")


def stream_of(folder: Path, run: Run, n: int, *, wait: Callable[[], Any] | None = None, name: str = "part") -> Stream:
    """Return the pass over images whose tokens are kept.

    Parameters
    ----------
    folder : Path
        Where the part is written, and where `write_pictures` wrote.
    run : Run
        Written by `write_run`.
    n : int
        Images.
    wait : callable, optional
        Called before a picture is read; without it there are none.
    name : str
        Of the part.
    """
    images = image_table(n, folder)
    grid = tuple(run.record["backbone"]["grid"])
    size = (grid[0] * PATCH, grid[1] * PATCH)
    if wait is not None:
        paths = pd.Series([f"{row % POOL:02d}.png" for row in range(n)])
        images = GatedTable(images.frame.assign(path=paths), folder, "synthetic", keys=images.content_keys())
        images.wait = wait  # type: ignore[attr-defined]
    plan = BuildPlan(run, images, shard=(0, 1))
    backbone: Any = SimpleNamespace(
        grid=grid, patch_size=(PATCH, PATCH), prefix_tokens=PREFIX,
        patch_boxes=lambda shape: boxes(grid, shape), preprocessing=SimpleNamespace(size=size, interpolation="bicubic"),
    )  # fmt: skip
    view: Any = NormalTokens(images, PREFIX + grid[0] * grid[1], int(run.record["d_model"]))
    kind = BlindStream if wait is None else Stream
    return kind(plan, part_of(folder / name, plan), backbone, view, images, "cpu", None)


def boxes(grid: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return patches that cover a picture, float64 [n_patches, 4]."""
    ys, xs = (np.linspace(0, side, n + 1) for side, n in zip(shape[:2], grid, strict=True))
    top, left = np.meshgrid(ys[:-1], xs[:-1], indexing="ij")
    bottom, right = np.meshgrid(ys[1:], xs[1:], indexing="ij")
    return np.stack([left, top, right, bottom], axis=-1).reshape(-1, 4)
