from __future__ import annotations

import base64

import numpy as np
import pytest

from cytosae_toolkit.atlas.reading import open_atlas
from cytosae_toolkit.cohort.report.pictures import CellPictures, Shown, strongest_cells, svg_uri


@pytest.fixture
def atlas(request_for, atlas_path):
    return open_atlas(atlas_path)


def busiest(atlas) -> int:
    return int(np.argmax(atlas.media.latent_counts()))


def test_strongest_cells_are_ranked_and_may_be_restricted(atlas):
    latent = busiest(atlas)
    rows, means = atlas.column(latent)
    found = strongest_cells(atlas, [latent], 3)
    assert [value for _, value in found] == pytest.approx(sorted(means.tolist(), reverse=True)[:3])
    only = np.arange(atlas.n_images) == rows[-1]
    assert strongest_cells(atlas, [latent], 3, only=only) == [(int(rows[-1]), pytest.approx(float(means[-1])))]
    assert strongest_cells(atlas, [latent, latent], 1)[0][1] == pytest.approx(2 * found[0][1])
    assert strongest_cells(atlas, [0], 3) == []


def test_heat_maps_give_peaks_and_pictures(atlas):
    latent = busiest(atlas)
    row, value = strongest_cells(atlas, [latent], 1)[0]
    cell = Shown(str(latent), (latent,), row, value)
    pictures = CellPictures(atlas, [cell])
    heat = pictures.heat(cell)
    assert pictures.peak(cell) == np.unravel_index(heat.argmax(), heat.shape)
    assert pictures.problem == ""
    plain, lit = pictures.plain(row), pictures.lit(cell, float(heat.max()))
    assert plain != lit
    assert base64.b64decode(lit.partition(",")[2])[:4] == b"RIFF"


def test_svg_as_a_data_uri():
    assert base64.b64decode(svg_uri("<svg/>").partition(",")[2]) == b"<svg/>"
