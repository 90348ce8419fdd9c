"""An atlas of real cells equals plain NumPy over all their tokens, and its references never repeat a cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.atlas.building import Work, build_atlas
from cytosae_toolkit.atlas.facts import image_facts
from cytosae_toolkit.atlas.plan import RESERVOIR
from cytosae_toolkit.images import read_images
from cytosae_toolkit.tokens import token_source
from cytosae_toolkit.training import TrainConfig, train

from .dense import dense_statistics

TAU = 0.05
ROUNDING = {"colour_r2": 2e-4, "reproducibility": 1e-4, "position_r2": 1e-4, "density": 2e-4, "density_tokens": 2e-4}
"""Where more than 1e-5 is expected: regressions, and densities, whose threshold is 0 (activations within rounding)."""


@pytest.fixture(scope="module")
def table(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All basophils of wbc_chula (58 crops of 5 cells), a third of its other cells, and some of wbc_d1."""
    manifest = pd.read_csv(shared_data / "data" / "manifest.csv")
    manifest = manifest[~manifest["file"].str.contains("/masks/")]
    chula = manifest[manifest["part"] == "wbc_chula"]
    basophils, others = chula[chula["label"] == "basophil"], chula[chula["label"] != "basophil"].iloc[::3]
    rows = pd.concat([basophils, others, manifest[manifest["part"] == "wbc_d1"].iloc[::4]])
    frame = pd.DataFrame(
        {
            "path": [str(shared_data / "data" / file) for file in rows["file"]],
            "label": rows["label"],
            "group": rows["part"] + " " + rows["group"].astype(str),
            "dataset": rows["part"],
        }
    )
    file = tmp_path_factory.mktemp("real") / "cells.csv"
    frame.to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def built(shared_data: Path, table: Path, tmp_path_factory: pytest.TempPathFactory):
    """The atlas of an SAE trained for a moment on ViT-Ti tokens, and h [images, tokens, latents] by NumPy."""
    folder = tmp_path_factory.mktemp("atlas")
    weights = shared_data / "weights" / "vit_tiny_patch16_224.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYTOSAE_CACHE", str(folder / "cache"))
        patch.setattr("cytosae_toolkit.training.plan.seconds_per_call", lambda function, seconds=0.0: 1e-3)
        run = train(
            TrainConfig(
                images=str(table),
                out=folder / "run",
                backbone="timm",
                backbone_options={"checkpoint": str(weights)},
                d_sae=256,
                steps=30,
                batch_tokens=1024,
                device="cpu",
                tokens=folder / "tokens",
            )
        )
        images, work = read_images(table), Work(device="cpu", token_options={"store": folder / "tokens"})
        atlas = build_atlas(run, images, folder / "a.atlas.zarr", aggregator_options={"threshold": TAU}, work=work)
        backbone = run.backbone(device="cpu")
        view = token_source(images, backbone, run.layer, store=folder / "tokens")
    state = {name: value.numpy() for name, value in run.sae.state_dict().items()}
    x = view.read(np.arange(len(images))).astype(np.float32)
    h = np.maximum((x - state["b_dec"]) @ state["W_enc"] + state["b_enc"], 0)
    return atlas, h, images


def test_statistics_references_and_counts_equal_plain_numpy(built):
    atlas, h, images = built
    found = atlas.to_anndata()
    patches = h[:, 1:]
    far = (np.abs(patches - TAU) > 1e-5).all(axis=1)  # no patch of the image within 1e-5 of τ
    assert far.mean() > 0.9
    assert np.array_equal(found.X.toarray()[far], (patches > TAU).sum(axis=1)[far])
    assert np.allclose(found.layers["mean"].toarray(), h.mean(axis=1, dtype=np.float64), atol=1e-5)
    assert np.allclose(found.layers["max"].toarray(), patches.max(axis=1), atol=1e-5)

    frame = images.frame.assign(set=images.frame["dataset"], key=images.content_keys())
    cell = found.obs[["nuclear_area", "nc_ratio", "cell_size"]].to_numpy()
    facts = image_facts(frame, {"colour": found.obsm["colour"], "cell": cell}, atlas.sets)
    var, varm = dense_statistics(h, facts, prefix_tokens=1, grid=(14, 14), k=10, reservoir=RESERVOIR)
    for name, expected in var.items():
        if expected.dtype.kind == "f":
            close = ROUNDING.get(name, 1e-5)
            assert np.allclose(found.var[name], expected, rtol=close, atol=close, equal_nan=True), name
    same = (found.varm["ref_rows"] == varm["ref_rows"]).all(axis=1)
    assert same.mean() > 0.97  # the others swap images whose means are equal to rounding
    assert np.allclose(found.varm["ref_values"], varm["ref_values"], atol=1e-5, equal_nan=True)


def test_no_list_of_references_repeats_a_cell(built):
    atlas, _, images = built
    groups = images.groups()
    for name in ("ref_rows", "ref_rows:wbc_chula", "ref_rows:wbc_d1"):
        for rows in atlas.varm(name):
            kept = groups[rows[rows >= 0]]
            assert len(set(kept)) == len(kept)
            assert (np.flatnonzero(rows < 0) >= len(kept)).all()
