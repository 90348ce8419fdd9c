from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.atlas.reading import Reference
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.figures.montage import latent_montage, montage_numbers, montage_rows
from cytosae_toolkit.figures.style import save_figure


class ToyAtlas:
    """Two latents on four images of 2 x 2 patches; latent 1 is silent."""

    path, grid, has_images = Path("toy.atlas.zarr"), (2, 2), True
    latents = pd.DataFrame(
        {"mean_activation": [0.2, 0.0], "frequency": [0.5, 0.0], "label_entropy": [0.3, np.nan],
         "dominant_label": ["blast", ""], "dominant_share": [0.9, np.nan], "flag_set": [True, False],
         "name": ["rods", ""]}
    )  # fmt: skip

    def check_latent(self, latent):
        if latent not in (0, 1):
            raise CytosaeError(f"There is no latent {latent}.")
        return latent

    def statistics_in_set(self, latent, name):
        return {"mean_activation": 0.1, "frequency": 0.25, "label_entropy": np.nan, "label": "monocyte",
                "n_of_label": 2, "n_labelled": 3}  # fmt: skip

    def references(self, latent, *, set=None, kind="top", limit=None):
        if latent == 1:
            return []
        rows = {"top": [2, 0], "typical": [0], "miss": [3]}[kind]
        value = 0.0 if kind == "miss" else 0.25
        return [Reference(0, r, value, 1, f"image {r}", "blast", None, f"g{r}", set or "a") for r in rows[:limit]]

    def heatmap(self, latent, row):
        return np.array([[0, 1.0], [0, 0]], dtype=np.float32) * (row != 3)

    def picture(self, row):
        return np.full((8, 8, 3), 50 * (row + 1), dtype=np.uint8)

    def patch_boxes(self):
        return np.array([[0, 0, 4, 4], [4, 0, 8, 4], [0, 4, 4, 8], [4, 4, 8, 8]], dtype=float)


def test_a_row_has_statistics_pictures_and_heat_maps():
    (row,) = montage_rows(ToyAtlas(), [0])
    assert row.title == "latent 0: rods"
    assert row.text.splitlines() == ["mean 0.2, on 50 %", "label entropy 0.30", "blast 90 %", "flags: set"]
    assert [image[0, 0, 0] for image in row.images] == [150, 50]
    np.testing.assert_array_equal(row.heatmaps[0], [0, 1, 0, 0])
    assert row.captions == ["blast\n0.25", "blast\n0.25"]


def test_images_of_some_groups_are_left_out_and_others_take_their_place():
    (row,) = montage_rows(ToyAtlas(), [0], limit=1, without={"g2"})
    assert [image[0, 0, 0] for image in row.images] == [50]


def test_kinds_and_sets_are_rows_of_their_own():
    rows = montage_rows(ToyAtlas(), [0], kinds=["top", "typical", "miss"])
    assert [row.text.splitlines()[0] for row in rows[1:]] == [
        "random, weakest quarter first", "near misses: silent there"
    ]  # fmt: skip
    assert rows[2].captions == ["blast\nsilent"]
    first, second = montage_rows(ToyAtlas(), [0], sets=["a", "b"])
    assert first.text.splitlines() == ["best of a", "mean 0.1, on 25 % there", "monocyte 2 of 3"]
    assert second.text.splitlines()[0] == "best of b"


def test_only_the_best_are_kept_per_set():
    for kinds in (["typical"], ["top", "miss"]):
        with pytest.raises(CytosaeError, match="kept over all sets only"):
            montage_rows(ToyAtlas(), [0], kinds=kinds, sets=["a"])


@pytest.mark.parametrize(
    ("label", "caption"),
    [
        ("atypical_promyelocyte", "atypical\npromyelocyte\n0.25"),
        ("blast", "blast\n0.25"),
        ("neutrophil, segmented, with vacuoles", "neutrophil,\nsegmented, with…\n0.25"),
    ],
)
def test_long_labels_are_wrapped(label, caption):
    class Labelled(ToyAtlas):
        def references(self, latent, **options):
            return [replace(reference, label=label) for reference in super().references(latent, **options)]

    assert montage_rows(Labelled(), [0])[0].captions[0] == caption


def test_the_image_stands_above_what_the_latent_sees(tmp_path):
    figure = latent_montage(ToyAtlas(), [0], kinds=["top", "miss"])
    pictures = [np.asarray(axis.images[0].get_array()) for axis in figure.axes if axis.images]
    assert len(pictures) == 5  # two references twice, one near miss once
    assert (pictures[0] == 150).all()
    assert (pictures[2][:4, 4:, 0] - pictures[2][:4, 4:, 2].astype(int) > 100).all()  # the active patch in orange
    assert (pictures[2][4:].std(axis=2) == 0).all()
    assert save_figure(figure, tmp_path / "a.svg")[0].stat().st_size > 1000


def test_a_latent_that_never_fires_says_so():
    (row,) = montage_rows(ToyAtlas(), [1])
    assert row.images == []
    assert "no such images" in row.text
    latent_montage(ToyAtlas(), [1])


def test_numbers_beside_the_figure():
    table = montage_numbers(ToyAtlas(), [0, 1], kinds=["top"], sets=["b"], limit=1)
    assert table.to_dict("records") == [
        {"latent": 0, "kind": "top", "of_set": "b", "rank": 0, "id": "image 2", "set": "b", "label": "blast",
         "patient": "", "group": "g2", "value": 0.25, "peak": 1}
    ]  # fmt: skip


def test_published_statistics_have_no_images():
    atlas = ToyAtlas()
    atlas.has_images = False
    with pytest.raises(CytosaeError, match="has no images"):
        latent_montage(atlas, [0])
    with pytest.raises(CytosaeError, match="no latent 7"):
        montage_rows(ToyAtlas(), [7])
