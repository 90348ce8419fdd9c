"""Concepts as points."""

from __future__ import annotations

import numpy as np
import pandas as pd

from napari_cytosae._cloud import UNDEFINED, cloud_of, decades, disc, palette
from napari_cytosae._facts import Facts


def test_unknown_purity_is_grey_and_purity_spans_the_palette():
    table = pd.DataFrame({"mean_activation": [1, 1, 1], "frequency": [0.1, 0.2, 0.3], "label_entropy": [0, 2, np.nan]})
    cloud = cloud_of(Facts.of_table(table.astype(float)), np.ones(3, dtype=bool))
    assert dict(zip(cloud.latents.tolist(), cloud.colour.tolist(), strict=True)) == {0: 0, 1: 255, 2: UNDEFINED}
    assert [hex(palette(dark)[UNDEFINED]) for dark in (True, False)] == ["0xff808080"] * 2
    assert (palette(True)[:UNDEFINED] != palette(False)[:UNDEFINED]).any()


def test_decades_and_disc():
    assert decades(-3.2, 0.5, most=9) == [0, -1, -2, -3]
    assert decades(-3.2, 0.5, most=2) == [0, -2]
    assert disc(0.5) == [(0, 0)]
    assert len(disc(1.0)) == 5
