"""A part keeps its rows of the image table, however many are written at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.atlas import part
from cytosae_toolkit.atlas.part import Part
from cytosae_toolkit.images import ImageTable


def table(n):
    frame = pd.DataFrame(
        {
            "path": [f"{i}.png" for i in range(n)],
            "id": [f"cell {i}" for i in range(n)],
            "label": [None] * (n - 2) + ["blast", None],
            "checked": [True] * n,
            "size": np.arange(n) / 2,
            "nothing": [None] * n,
        }
        | {side: pd.array([1, *[None] * (n - 1)], dtype="Int64") for side in ("x0", "y0", "x1", "y1")}
    )
    return ImageTable(frame, Path("/smears"), "cells", keys=[f"{i:032x}" for i in range(n)])


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_the_table_comes_back_with_keys_and_absolute_paths(whole_run, tmp_path, monkeypatch, rows):
    monkeypatch.setattr(part, "ROWS", rows)
    images = table(7)
    found = Part.create(tmp_path / "part", {}, images, whole_run).images()
    expected = images.frame.assign(key=images.content_keys(), path=[f"/smears/{i}.png" for i in range(7)])
    pd.testing.assert_frame_equal(found, expected)


def test_a_part_may_have_no_images(whole_run, tmp_path):
    found = Part.create(tmp_path / "part", {}, table(7).subset([]), whole_run).images()
    assert len(found) == 0
    assert {"path", "id", "key"} <= set(found.columns)
