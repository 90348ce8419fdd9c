from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.atlas.building import Work, build_atlas
from cytosae_toolkit.cohort.barcodes import barcodes
from cytosae_toolkit.cohort.recounting import Recoder, atlas_images, counts_above
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import read_images
from cytosae_toolkit.plugins import create_aggregator
from cytosae_toolkit.tokens import token_source
from cytosae_toolkit.training import load_run

from ..atlas.conftest import PREFIX, WholeTokens, activations

NO_STORE = Work(device="cpu", token_options={"no_store": True})


def test_codes_are_those_of_the_rows_asked_for(atlas, whole_run, cohort_images):
    h, rows = activations(whole_run, cohort_images), np.array([70, 3, 4, *range(20, 50)])
    codes = list(Recoder(atlas, create_aggregator("count", threshold=2), Work()).codes(rows))
    assert len(codes) == len(rows)
    for row, code in zip(rows, codes, strict=True):
        dense = np.zeros(96)
        dense[code.latent] = code.value
        assert np.array_equal(dense, (h[row, PREFIX:] > 2).sum(axis=0))


def test_counts_above_are_strict_and_in_single_precision():
    code = SimpleNamespace(
        latent=np.array([3, 8, 9]),
        start=np.array([0, 3, 3, 4]),
        activation=np.array([0.1, 0.5, 2.0, 0.1], dtype=np.float32),
    )
    assert counts_above(code, [0, 0.1, 0.5, 9]).tolist() == [[3, 0, 1], [2, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_images_are_found_where_they_were(atlas, cohort_images):
    found = atlas_images(atlas)
    assert [found.path(i).resolve() for i in range(75)] == [cohort_images.path(i).resolve() for i in range(75)]
    assert found.content_keys() == cohort_images.content_keys()


@pytest.mark.parametrize("change", [lambda frame: frame.drop(columns="path"), lambda frame: frame.assign(path="")])
def test_an_atlas_that_forgot_its_images_is_refused(atlas, change):
    atlas.images = change(atlas.images)
    with pytest.raises(CytosaeError, match="does not know its original images"):
        atlas_images(atlas)


@pytest.fixture
def few(cell_table, tmp_path):
    """Six images that may be deleted."""
    frame = pd.read_csv(cell_table).head(6)
    for name in frame["path"]:
        (tmp_path / name).write_bytes((cell_table.parent / name).read_bytes())
    frame.assign(patient=list("aabbcc"), group=range(6)).to_csv(tmp_path / "cells.csv", index=False)
    return read_images(tmp_path / "cells.csv")


@pytest.fixture
def live(whole_run_folder, few, tmp_path):
    """The atlas of six images, tokens computed from them when needed."""
    return build_atlas(load_run(whole_run_folder), few, tmp_path / "a.atlas.zarr", work=NO_STORE)


def test_originals_that_are_gone_are_named(live, tmp_path):
    assert len(barcodes(live, threshold=1.0, work=NO_STORE)) == 3
    (tmp_path / "005.png").unlink()
    with pytest.raises(CytosaeError, match=r"1 of 6 images can no longer be read, such as .*005\.png"):
        barcodes(live, threshold=1.0, work=NO_STORE)
    for i in range(6):
        (tmp_path / f"{i:03}.png").unlink(missing_ok=True)
    with pytest.raises(CytosaeError):
        barcodes(live, threshold=1.0, work=NO_STORE)
    assert len(barcodes(live)) == 3


def test_kept_tokens_need_neither_images_nor_backbone(live, few, tmp_path, monkeypatch):
    run, store = live.run, tmp_path / "tokens"
    expected = barcodes(live, threshold=1.0, work=NO_STORE)
    token_source(few, run.backbone(device="cpu"), run.layer, store=store)
    for i in range(6):
        (tmp_path / f"{i:03}.png").unlink()
    monkeypatch.setattr(type(run), "backbone", None)
    found = barcodes(live, threshold=1.0, work=Work(device="cpu", token_options={"store": store}))
    assert (found.X != expected.X).nnz == 0


def test_tokens_of_another_backbone_are_refused(live, few, tmp_path):
    run, store = live.run, tmp_path / "tokens"
    token_source(few, run.backbone(device="cpu"), run.layer - 1, store=store)
    with pytest.raises(CytosaeError, match="another backbone or layer"):
        barcodes(live, threshold=1.0, work=Work(device="cpu", token_options={"store": store}))


def test_without_all_tokens_nothing_is_counted(atlas, monkeypatch):
    class Fewer(WholeTokens):
        def __post_init__(self):
            super().__post_init__()
            self.table_rows = self.table_rows[:-2]

        def __len__(self):
            return len(self.table_rows)

    monkeypatch.setattr("cytosae_toolkit.tokens.token_source", lambda images, *_, **__: Fewer(images))
    with pytest.raises(CytosaeError, match="2 of 75 images can no longer be read"):
        Recoder(atlas, create_aggregator("count"), Work())
