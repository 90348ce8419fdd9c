"""What an opened atlas answers, also where its images are gone and from a ZIP."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from cytosae_toolkit.atlas.building import add_images, build_atlas
from cytosae_toolkit.atlas.packing import pack
from cytosae_toolkit.atlas.reading import open_atlas
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import read_images


@pytest.fixture
def lonely(whole_run, cell_table, tmp_path):
    """An atlas whose images were deleted after it was built."""
    images = tmp_path / "images"
    shutil.copytree(cell_table.parent, images)
    atlas = build_atlas(whole_run, read_images(images / "cells.csv"), tmp_path / "a.atlas.zarr", top=5)
    shutil.rmtree(images)
    return open_atlas(atlas.path)


def test_without_its_images_it_shows_searches_and_names(lonely):
    assert not lonely.original(3).exists()
    reference = lonely.references(50)[0]
    assert lonely.picture(reference.row).shape == (32, 32, 3)
    assert lonely.heatmap(50, reference.row).max() > 0
    lonely.annotations.add([50], name="granules", author="A")
    assert lonely.search("granules", hidden=True).index.tolist() == [50]
    assert len(lonely.similar(50, 5)) > 0
    assert lonely.run.sae.d_sae == 96


def test_moved_elsewhere_it_is_the_same(lonely, tmp_path):
    moved = tmp_path / "elsewhere" / "b.atlas.zarr"
    moved.parent.mkdir()
    shutil.move(lonely.path, moved)
    again = open_atlas(moved)
    assert again.n_images == 150
    assert len(again.references(50)) == 5
    assert again.picture(149).shape == (32, 32, 3)


def test_packed_it_opens_read_only_with_everything(lonely, tmp_path):
    lonely.annotations.add([50], name="granules", author="A")
    packed = open_atlas(pack(lonely.path, tmp_path / "a.zip"))
    assert packed.read_only
    assert packed.latents.equals(lonely.latents)
    for kind in ("top", "typical", "miss"):
        assert packed.references(60, kind=kind) == lonely.references(60, kind=kind)
    row = packed.references(60)[0].row
    assert np.array_equal(packed.heatmap(60, row), lonely.heatmap(60, row))
    assert np.array_equal(packed.picture(row), lonely.picture(row))
    assert packed.run.sae.d_sae == 96
    with pytest.raises(CytosaeError):
        packed.annotations.add([1], name="x", author="A")
    with pytest.raises(CytosaeError, match="packed and cannot grow"):
        add_images(packed, "anything")


def test_columns_rows_and_the_matrix_agree(lonely):
    whole = lonely.image_means().toarray()
    for latent in (0, 30, 95):
        rows, values = lonely.column(latent)
        assert np.array_equal(rows, np.flatnonzero(whole[:, latent]))
        assert np.array_equal(values, whole[rows, latent])
    chosen = [140, 3, 4, 5, 0]
    assert np.array_equal(lonely.mean_rows(chosen).toarray(), whole[chosen])
    assert lonely.mean_rows([]).shape == (0, 96)


def test_a_limit_takes_typical_images_of_all_quartiles_alike(lonely):
    whole = lonely.references(95, kind="typical")
    assert [reference.quartile for reference in whole] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3]
    eight = lonely.references(95, kind="typical", limit=8)
    assert [reference.quartile for reference in eight] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert set(eight) < set(whole)
    assert [reference.quartile for reference in lonely.references(95, kind="typical", limit=6)] == [0, 1, 2, 2, 3, 3]
    assert lonely.references(95, limit=2) == lonely.references(95)[:2]
    assert lonely.references(95, kind="typical", limit=99) == whole


def test_statistics_of_one_set_are_its_own(lonely):
    for name in lonely.sets:
        known = lonely.statistics_in_set(95, name)
        labels = [reference.label for reference in lonely.references(95, set=name) if reference.label]
        assert known["n_labelled"] == len(labels)
        assert known["n_of_label"] == labels.count(known["label"]) == max(map(labels.count, labels))
        rows, values = lonely.column(95)
        inside = (lonely.images["set"].astype(str) == name).to_numpy()[rows]
        assert known["mean_activation"] == pytest.approx(values[inside].mean())
        assert lonely.references(95, set=name)[0].set == name


def test_the_name_of_a_file_is_known_without_its_folder(lonely, tmp_path):
    assert lonely.file_name(7) == "007.png"
    assert open_atlas(pack(lonely.path, tmp_path / "a.zip", patient_ids=False)).file_name(7) == ""


def test_heat_maps_are_known_for_references_only(lonely):
    known = {r.row for kind in ("top", "typical") for r in lonely.references(95, kind=kind)}
    rows, _ = lonely.column(95)
    other = next((int(row) for row in rows if int(row) not in known), None)
    if other is not None:
        found = lonely.heatmap(95, other)
        assert found is None or found.max() > 0  # kept if it was drawn for its quartile's reserve


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda atlas: atlas.references(96), "There is no latent 96"),
        (lambda atlas: atlas.references(-1), "There is no latent -1"),
        (lambda atlas: atlas.references(1, set="nrth"), "Did you mean north"),
        (lambda atlas: atlas.references(1, kind="best"), "no kind 'best'"),
        (lambda atlas: atlas.references(1, kind="miss", set="north"), "over all sets only"),
        (lambda atlas: atlas.picture(10**6), "There is no image 1000000"),
        (lambda atlas: atlas.picture(-1), "There is no image -1"),
        (lambda atlas: atlas.heatmap(1, 150), "Choose 0 to 149"),
        (lambda atlas: atlas.statistics_in_set(1, "nrth"), "Did you mean north"),
    ],
)
def test_wrong_questions_are_answered_in_one_sentence(lonely, call, sentence):
    with pytest.raises(CytosaeError, match=sentence):
        call(lonely)


def test_a_damaged_chunk_is_a_sentence(lonely):
    for file in (lonely.path / "var").rglob("c/*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    with pytest.raises(CytosaeError, match="is damaged"):
        _ = open_atlas(lonely.path).latents


def test_what_is_no_atlas(tmp_path):
    (tmp_path / "x.atlas.zarr").write_text("hello")
    for path, sentence in (
        (tmp_path / "x.atlas.zarr", "neither a folder nor a ZIP"),
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path, "not an atlas"),
    ):
        with pytest.raises(CytosaeError, match=sentence):
            open_atlas(path)
