"""Barcodes of real cells equal Eq. 2 and 3 in plain NumPy over all their tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.atlas.building import Work, build_atlas
from cytosae_toolkit.cohort.barcodes import barcodes
from cytosae_toolkit.images import read_images
from cytosae_toolkit.tokens import token_source
from cytosae_toolkit.training import TrainConfig, train

TAU, OTHER_TAU, ROUNDING = 0.05, 0.11, 1e-5


@pytest.fixture(scope="module")
def images(shared_data: Path, tmp_path_factory: pytest.TempPathFactory):
    """Forty cells of wbc_d1, dealt to six patients of two diseases; one patient has a single cell."""
    manifest = pd.read_csv(shared_data / "data" / "manifest.csv")
    manifest = manifest[(manifest["part"] == "wbc_d1") & ~manifest["file"].str.contains("/masks/")]
    rows = manifest.iloc[:: max(1, len(manifest) // 40)].head(40)
    frame = pd.DataFrame(
        {
            "path": [str(shared_data / "data" / file) for file in rows["file"]],
            "label": rows["label"],
            "group": rows["group"],
            "patient": ["p5", *(f"p{i % 5}" for i in range(len(rows) - 1))],
        }
    )
    frame["disease"] = ["aml" if patient < "p3" else "cll" for patient in frame["patient"]]
    file = tmp_path_factory.mktemp("real") / "cells.csv"
    frame.to_csv(file, index=False)
    return read_images(file)


@pytest.fixture(scope="module")
def built(images, tiny_backbone, tmp_path_factory: pytest.TempPathFactory):
    """The atlas of an SAE trained for a moment on their tokens, h [images, tokens, latents] by NumPy, and the work."""
    folder = tmp_path_factory.mktemp("atlas")
    options = dict(tiny_backbone) | {"size": "112"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYTOSAE_CACHE", str(folder / "cache"))
        patch.setattr("cytosae_toolkit.training.plan.seconds_per_call", lambda function, seconds=0.0: 1e-3)
        config = TrainConfig(
            images=images.source, out=folder / "run", backbone="timm", backbone_options=options, d_sae=128, steps=30,
            batch_tokens=256, device="cpu", tokens=folder / "tokens",
        )  # fmt: skip
        run, work = train(config), Work(device="cpu", token_options={"store": folder / "tokens"})
        atlas = build_atlas(run, images, folder / "a.atlas.zarr", aggregator_options={"threshold": TAU}, work=work)
        view = token_source(images, run.backbone(device="cpu"), run.layer, store=folder / "tokens")
    state = {name: value.numpy() for name, value in run.sae.state_dict().items()}
    x = view.read(np.arange(len(images))).astype(np.float32)
    return atlas, np.maximum((x - state["b_dec"]) @ state["W_enc"] + state["b_enc"], 0), work


@pytest.mark.parametrize("tau", [TAU, OTHER_TAU])
def test_barcodes_equal_plain_numpy(built, images, tau):
    atlas, h, work = built
    found, patches = barcodes(atlas, threshold=tau, work=work), h[:, 1:]
    counts, patients = (patches > tau).sum(axis=1), images.frame["patient"].to_numpy(dtype=str)
    near = (np.abs(patches - tau) <= ROUNDING).any(axis=1)  # within rounding of τ
    expected = np.stack([counts[patients == name].mean(axis=0) for name in found.obs_names])
    sure = ~np.stack([near[patients == name].any(axis=0) for name in found.obs_names])
    assert sure.mean() > 0.95
    assert 0.05 < (expected[sure] > 0).mean() < 0.999
    assert np.abs(found.X.toarray() - expected)[sure].max() <= 1e-6
    for name, own in found.varm["diseases"].items():
        rows = (found.obs["disease"] == name).to_numpy()
        both = sure[rows].all(axis=0)
        assert np.abs(own.to_numpy() - expected[rows].mean(axis=0))[both].max() <= 1e-6


def test_layers_equal_plain_numpy(built, images):
    atlas, h, _ = built
    found, patients = barcodes(atlas), images.frame["patient"].to_numpy(dtype=str)
    m = h.mean(axis=1, dtype=np.float64)
    expected = np.stack([m[patients == name].mean(axis=0) for name in found.obs_names])
    assert np.abs(found.layers["mean"].toarray() - expected).max() <= 1e-5
    assert found.obs["n_cells"].tolist() == [(patients == name).sum() for name in found.obs_names]
    assert found.obs["n_cells"].min() == 1
