"""A tiny run, and an atlas in memory made from the same images by plain NumPy."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from cytosae_toolkit.atlas.names import Annotations
from cytosae_toolkit.explore import Explorer
from cytosae_toolkit.images import read_images
from cytosae_toolkit.tokens import token_source
from cytosae_toolkit.training import train

BOXES = [(5, 3, 37, 35), (30, 20, 77, 58), (0, 30, 21, 60)]
"""Overlapping boxes in `pixels`."""


class MemoryAtlas:
    """What an explorer asks of an atlas, from dense activations [images, tokens, latents]."""

    has_images = True

    def __init__(self, run, table, h):
        self.run, self.path = run, Path("memory.atlas.zarr")
        self.h, self.means = h, h.mean(axis=1, dtype=np.float64).astype(np.float32)
        self.d_sae, self.grid = h.shape[2], tuple(run.record["backbone"]["grid"])
        self.annotations = Annotations(None, "f00d", self.d_sae)
        self.record = {"backbone_fingerprint": run.record["backbone"]["fingerprint"], "threshold": 0.05}
        self.latents = pd.DataFrame(
            {
                "frequency": (self.means > 0).mean(axis=0),
                "n_images": (self.means > 0).sum(axis=0),
                "max_activation": h[:, 1:].max(axis=(0, 1)),
                "name": [f"=pattern {s}" if s % 2 else "" for s in range(self.d_sae)],
                "flag_colour": [s % 3 == 0 for s in range(self.d_sae)],
            },
            index=pd.RangeIndex(self.d_sae, name="latent"),
        )
        self.images = pd.DataFrame(
            {
                "id": table.ids,
                "label": table.frame["label"],
                "group": [f"cell {i // 2}" for i in range(len(table))],
                "set": "tiny",
                "key": table.content_keys(),
            }
        )

    def file_name(self, row):
        return f"{self.images['id'].iloc[row]}.png"

    def picture(self, row):
        return np.full((8, 8, 3), 40 * row % 256, dtype=np.uint8)

    def mean_rows(self, rows):
        return sparse.csr_matrix(self.means[np.asarray(rows)])


@pytest.fixture(scope="package")
def trained(tmp_path_factory, tiny_images, tiny_backbone):
    """A run on the tiny images, its table and the dense activations of every image."""
    from cytosae_toolkit.training import TrainConfig

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYTOSAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("cytosae_toolkit.training.plan.seconds_per_call", lambda function, seconds=0.0: 1e-3)
        run = train(
            TrainConfig(
                images=str(tiny_images),
                out=tmp_path_factory.mktemp("explore") / "run",
                backbone="timm",
                backbone_options=tiny_backbone,
                expansion=2.0,
                steps=20,
                batch_tokens=32,
                device="cpu",
                log_every=5,
                held_out=0.0,
            )
        )
        table = read_images(tiny_images)
        view = token_source(table, run.backbone(device="cpu"), run.layer)
        tokens = view.read(np.arange(len(view)))
    with torch.no_grad():
        h = torch.stack([run.sae.encode_sparse(torch.from_numpy(x.astype(np.float32))).dense() for x in tokens]).numpy()
    return SimpleNamespace(run=run, table=table, tokens=tokens, h=h)


@pytest.fixture
def atlas(trained):
    """The atlas of the run."""
    return MemoryAtlas(trained.run, trained.table, trained.h)


@pytest.fixture
def explorer(trained):
    """The run without an atlas."""
    return Explorer(trained.run, device="cpu")


@pytest.fixture
def pixels():
    """A picture, uint8 [60, 80, 3]."""
    return np.random.default_rng(4).integers(0, 256, (60, 80, 3), dtype=np.uint8)


@pytest.fixture
def boxed(explorer, pixels):
    """The picture read by `BOXES`."""
    from cytosae_toolkit.explore.analysing import MemoryField, analyse

    return analyse(explorer, MemoryField(pixels), "boxes", boxes=BOXES)
