from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import zarr

from cytosae_toolkit.atlas import image_texts
from cytosae_toolkit.atlas.image_texts import ImageTexts
from cytosae_toolkit.atlas.writing import quiet_zarr


@pytest.fixture
def texts(tmp_path):
    obs = pd.DataFrame(
        {"label": pd.Categorical(["blast", None, "smudge"]), "file": ["a", "b", "c"]}, index=["x1", "x2", "x3"]
    )
    path = tmp_path / "a.zarr"
    with quiet_zarr(), anndata.settings.override(zarr_write_format=3):
        anndata.AnnData(np.zeros((3, 1), np.float32), obs=obs).write_zarr(path)
    return ImageTexts(zarr.open_group(path, mode="r"), path, 3)


def test_columns_are_plain_text_and_empty_where_unknown(texts):
    assert texts["label"].tolist() == ["blast", "", "smudge"]
    assert texts["file"].tolist() == ["a", "b", "c"]
    assert texts["id"].tolist() == ["x1", "x2", "x3"]
    assert texts["patient"].tolist() == ["", "", ""]
    assert texts["label"].dtype == texts["id"].dtype == object


def test_a_column_is_read_once(texts, monkeypatch):
    first = texts["file"]
    monkeypatch.setattr(image_texts, "read_element", lambda *_: pytest.fail("read again"))
    assert texts["file"] is first
