"""Barcodes and an atlas of two diseases for tests of comparisons: latents 0-3 are higher in A, 4-5 in B."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from cytosae_toolkit.errors import CytosaeError

FINGERPRINT = "f00dfacef00dface"
D = 40


def barcodes(
    n_a: int = 12, n_b: int = 10, n_c: int = 4, *, seed: int = 0, sets: list[str] | None = None, by_name: bool = False
) -> AnnData:
    """Return patients of diseases A, B and C (and one of none) with barcodes of 40 latents; 30-39 are silent."""
    rng = np.random.default_rng(seed)
    disease = np.array(["A"] * n_a + ["B"] * n_b + ["C"] * n_c + [np.nan], dtype=object)
    x = rng.gamma(2.0, 1.0, (len(disease), D)) * (rng.random((len(disease), D)) < 0.7)
    x[disease == "A", :4] += np.array([9.0, 8, 7, 6])
    x[disease == "B", 4:6] += np.array([9.0, 8])
    x[:, 30:] = 0
    obs = pd.DataFrame(
        {"disease": disease, "n_cells": 10, "n_groups": 9, "set": sets or "one", "set_share": 1.0},
        index=[f"p{i}" for i in range(len(disease))],
    )
    var = pd.DataFrame({"latent": np.arange(D), "name": [f"=rod {i}" if i == 1 else "" for i in range(D)]})
    var["flag_colour"] = np.arange(D) == 2
    var.index = [f"concept {i}" for i in range(D)] if by_name else var.index.astype(str)
    record = {"format": "cytosae-barcodes", "version": 1, "sae_fingerprint": FINGERPRINT, "fingerprint": "b"}
    adata = AnnData(sparse.csr_matrix(x), obs=obs, var=var.drop(columns=["latent", "name"]) if by_name else var)
    adata.uns["cytosae"] = {"record": json.dumps(record | ({"by": "name"} if by_name else {}))}
    return adata


class ComparedAtlas:
    """Images 3 of each patient, of pairs in one cell, 8 x 8 pixels, 2 x 2 patches; heat maps of even rows are kept."""

    grid, has_images = (2, 2), True

    def __init__(self, patients: list[str]) -> None:
        self.path = Path("toy.atlas.zarr")
        self.record = {"sae_fingerprint": FINGERPRINT}
        n = 3 * len(patients)
        rng = np.random.default_rng(1)
        self.h = rng.random((n, 4, D)).astype(np.float32) * (rng.random((n, 4, D)) < 0.6)
        self.n_images = n
        self.images = pd.DataFrame(
            {"id": [f"secret-{i}" for i in range(n)], "patient": np.repeat(patients, 3), "label": "blast",
             "group": [str(i // 2) for i in range(n)], "set": "one"}
        )  # fmt: skip
        self.latents = pd.DataFrame({"name": [f"concept {i // 2}" for i in range(D)]})
        self.media = SimpleNamespace(entries=self._entries)

    def _entries(self, first: int, stop: int) -> Any:
        rows, _ = self.column(first)
        h = self.h[rows, :, first]
        return SimpleNamespace(rows=rows, peak=h.argmax(axis=1), max=h.max(axis=1))

    def column(self, latent: int) -> tuple[np.ndarray, np.ndarray]:
        means = self.h[:, :, latent].mean(axis=1)
        return np.flatnonzero(means), means[means > 0]

    def heatmap(self, latent: int, row: int) -> np.ndarray | None:
        return self.h[row, :, latent].reshape(2, 2) if row % 2 == 0 else None

    def picture(self, row: int) -> np.ndarray:
        return np.full((8, 8, 3), 20 + 2 * row, dtype=np.uint8)

    def patch_boxes(self) -> np.ndarray:
        return np.array([[0, 0, 4, 4], [4, 0, 8, 4], [0, 4, 4, 8], [4, 4, 8, 8]], dtype=np.float64)


class ToyExplorer:
    """What computes the heat maps that `ComparedAtlas` does not keep."""

    calls: list[int] = []

    def __init__(self, atlas: ComparedAtlas, *, offline: bool) -> None:
        assert offline
        self.atlas = atlas

    def read_all(self, pictures: list[np.ndarray], names: list[str]) -> Any:
        for picture, name in zip(pictures, names, strict=True):
            assert np.array_equal(picture, self.atlas.picture(int(name)))
            self.calls.append(int(name))
            yield int(name)

    def heatmap(self, latent: int, *, image: int) -> np.ndarray:
        return self.atlas.h[image, :, latent].reshape(2, 2)


class NoExplorer:
    """A run that cannot be used here."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        raise CytosaeError("The weights are not here.", "Fetch them.")
