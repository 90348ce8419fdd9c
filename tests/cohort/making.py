"""Small barcodes for tests, of the schema of `cytosae_toolkit.cohort.barcodes`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

DISEASES = ("healthy", "aml", "cll")


def make_barcodes(
    n_per_disease: int | Mapping[str, int] = 8,
    d: int = 40,
    seed: int = 0,
    sets: Sequence[str] | Mapping[str, Sequence[str]] = ("one",),
    signal: float = 3.0,
    by_name: bool = False,
    atlas_fingerprint: str = "f" * 32,
) -> AnnData:
    """Return patients whose disease k raises latents 3k, 3k + 1, 3k + 2 by `signal` standard deviations.

    Parameters
    ----------
    n_per_disease : int or mapping
        Patients of each disease; the mapping names the diseases.
    d : int
        Latents; the last is silent.
    seed : int
        Of everything random.
    sets : sequence of str, or mapping from disease to it
        Image sets, given to the patients of a disease in turn.
    signal : float
        0 makes barcodes that know nothing of the disease.
    by_name : bool
        Without the columns and layers that barcodes of named concepts lack.
    atlas_fingerprint : str
        Of the SAE.
    """
    sizes = dict(n_per_disease) if isinstance(n_per_disease, Mapping) else dict.fromkeys(DISEASES, n_per_disease)
    rng = np.random.default_rng(seed)
    disease = [name for name, n in sizes.items() for _ in range(n)]
    where = [
        (sets[name] if isinstance(sets, Mapping) else sets)[i % len(sets[name] if isinstance(sets, Mapping) else sets)]
        for name, n in sizes.items()
        for i in range(n)
    ]
    order = rng.permutation(len(disease))
    disease, where = [disease[i] for i in order], [where[i] for i in order]
    level = rng.uniform(2, 20, d)
    counts = level + rng.normal(size=(len(disease), d))
    for k, name in enumerate(sizes):
        counts[np.ix_(np.flatnonzero(np.array(disease) == name), range(3 * k, 3 * k + 3))] += signal
    counts = np.maximum(counts, 0)
    counts[:, -1] = 0
    return _anndata(counts, disease, where, rng, by_name, atlas_fingerprint)


def _anndata(
    counts: Any, disease: list[str], where: list[str], rng: np.random.Generator, by_name: bool, fingerprint: str
) -> AnnData:
    n, d = counts.shape
    cells = rng.integers(8, 14, n)
    obs = pd.DataFrame(
        {"disease": disease, "n_cells": cells, "n_groups": cells, "set": where, "set_share": 1.0, "unlike_share": 0.0},
        index=[f"p{i:02}" for i in range(n)],
    )
    var = pd.DataFrame(index=[str(s) for s in range(d)])
    var["latent"], var["name"] = np.arange(d), ["eosinophilic granules" if s < 3 else "" for s in range(d)]
    layers = {}
    if by_name:
        var = pd.DataFrame({"name": [f"concept {s}" for s in range(d)]}, index=[f"concept {s}" for s in range(d)])
    else:  # the higher the latent, the weaker: log10 of the mean activation falls from 0 to -4 (d - 1) / d
        frequency = (counts > 0).astype(float)
        layers = {
            "mean": sparse.csr_array(frequency * 10.0 ** (-4 * np.arange(d) / d)),
            "frequency": sparse.csr_array(frequency),
        }
    adata = AnnData(sparse.csr_matrix(counts), obs=obs, var=var)
    adata.layers.update(layers)
    noise = rng.normal(size=(n, 9))
    adata.obsm["colour"], adata.obsm["colour_sd"] = noise, np.abs(noise)
    adata.obsm["mean_patch"], adata.obsm["cls"] = rng.normal(size=(n, 12)), rng.normal(size=(n, 12))
    adata.obsm["cell_classes"] = pd.DataFrame(rng.dirichlet([1, 1, 1], n), index=obs.index, columns=list("abc"))
    record = {
        "format": "cytosae-barcodes", "version": 1, "sae_fingerprint": fingerprint, "atlas": "a.atlas.zarr",
        "aggregator": {"name": "count"}, "threshold": 0.2, "by": "name" if by_name else "latent",
        "fingerprint": "0" * 32, "n_images": int(cells.sum()), "demonstration": False,
    }  # fmt: skip
    adata.uns["cytosae"] = {"record": json.dumps(record)}
    return adata
