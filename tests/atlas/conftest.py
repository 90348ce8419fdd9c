"""A run with whole-numbered weights over whole-numbered tokens: all its activations are exact in any order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from cytosae_toolkit.images import ImageTable, read_images
from cytosae_toolkit.training import Run, load_run, train

N_IMAGES, GRID, PREFIX = 150, (2, 2), 1


@dataclass
class WholeTokens:
    """The tokens of images: small whole numbers that follow from their pixels."""

    images: ImageTable
    keys: list[str] = field(init=False)
    table_rows: np.ndarray = field(init=False)
    skipped: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        self.keys = self.images.content_keys()
        self.table_rows = np.arange(len(self.images))

    def __len__(self) -> int:
        return len(self.images)

    def read(self, indices: Any) -> np.ndarray:
        """Return tokens float16 [n, 5, 64]."""
        return np.stack([self._tokens(int(i)) for i in np.asarray(indices)])

    def _tokens(self, i: int) -> np.ndarray:
        seed = np.frombuffer(self.keys[i].encode()[:8], dtype=np.uint64)
        return np.random.default_rng(seed).integers(-3, 4, (5, 64)).astype(np.float16)


@pytest.fixture(scope="session")
def cell_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 150 small pictures with labels, patients, groups and two data sets."""
    folder, rng = tmp_path_factory.mktemp("cells"), np.random.default_rng(3)
    rows = []
    for i in range(N_IMAGES):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
        rows.append(
            {
                "path": f"{i:03}.png",
                "label": ["blast", "lymphocyte", "monocyte", None][rng.integers(4)],
                "patient": f"p{rng.integers(12)}",
                "group": f"g{rng.integers(120)}",
                "dataset": "north" if i < 90 else "south",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "cells.csv", index=False)
    return folder / "cells.csv"


@pytest.fixture
def cells(cell_table: Path) -> ImageTable:
    """The table, read."""
    return read_images(cell_table)


@pytest.fixture(scope="session")
def whole_run_folder(
    tiny_images: Path, tiny_backbone: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run whose weights are small whole numbers: 64 → 96 latents."""
    from cytosae_toolkit.training import TrainConfig

    out = tmp_path_factory.mktemp("runs") / "whole"
    patch = pytest.MonkeyPatch()
    patch.setenv("CYTOSAE_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setattr("cytosae_toolkit.training.plan.seconds_per_call", lambda function, seconds=0.0: 1e-3)
    train(
        TrainConfig(
            images=str(tiny_images),
            out=out,
            backbone="timm",
            backbone_options=tiny_backbone,
            d_sae=96,
            steps=2,
            batch_tokens=32,
            device="cpu",
        )
    )
    patch.undo()
    weights, generator = load_file(out / "sae.safetensors"), torch.Generator().manual_seed(5)
    for name, low, high in (("W_enc", -2, 3), ("W_dec", -1, 2), ("b_dec", -1, 2)):
        weights[name] = torch.randint(low, high, weights[name].shape, generator=generator).float()
    weights["b_enc"] = torch.linspace(-60, 0, 96).round()
    weights["b_enc"][0] = -1e4  # never fires
    save_file(weights, out / "sae.safetensors")
    return out


@pytest.fixture
def whole_run(whole_run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The run; whoever asks for tokens gets whole-numbered ones."""
    monkeypatch.setattr("cytosae_toolkit.tokens.token_source", lambda images, *_, **__: WholeTokens(images))
    return load_run(whole_run_folder)


def activations(run: Run, images: ImageTable) -> np.ndarray:
    """Return h float32 [images, tokens, latents] of whole-numbered tokens by the plainest NumPy."""
    weights = {name: value.numpy() for name, value in run.sae.state_dict().items()}
    x = WholeTokens(images).read(np.arange(len(images))).astype(np.float64)
    return np.maximum((x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"], 0).astype(np.float32)


@pytest.fixture
def dense_activations(whole_run: Run, cells: ImageTable) -> Callable[[], np.ndarray]:
    """Return a function that gives h [images, tokens, latents]."""
    return lambda: activations(whole_run, cells)
