from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import split_units
from cytosae_toolkit.images.combining import read_image_sets


@pytest.fixture
def two(tiny_images, tmp_path) -> tuple[Path, Path]:
    """Two folders: the blasts with five lymphocytes, and the lymphocytes."""
    first, second = tmp_path / "chula", tmp_path / "bccd"
    shutil.copytree(tiny_images / "blast", first / "blast")
    shutil.copytree(tiny_images / "lymphocyte", second / "lymphocyte")
    for i in range(5):
        (first / "again").mkdir(exist_ok=True)
        shutil.copy(second / "lymphocyte" / f"lymphocyte-{i:02}.png", first / "again")
    return first, second


def test_one_source_is_read_as_it_is(tiny_images):
    table = read_image_sets([tiny_images])
    assert len(table) == 24
    assert not table.has("dataset")


def test_several_sources_are_one_table_in_their_order(two):
    table = read_image_sets(two)
    assert list(table.frame["dataset"].unique()) == ["chula", "bccd"]
    assert len(table) == 24
    assert table.path(0) == two[0] / "again" / "lymphocyte-00.png"
    assert [table.path(i).exists() for i in range(24)] == [True] * 24
    assert table.read(23).shape == (32, 32, 3)


def test_the_same_image_is_kept_once_under_the_first(two):
    table = read_image_sets(two)
    again = [item for item in table.skipped if "earlier source" in item.reason]
    assert {Path(item.path).parent for item in again} == {two[1] / "lymphocyte"}
    assert len(again) == 5
    assert len(set(table.content_keys())) == 24
    assert table.content_keys() == table.subset(np.arange(24)).content_keys()


def test_content_keys_go_with_their_rows(two):
    table = read_image_sets(two)
    for row in (0, 16, 17, 23):
        assert table.content_key(row) == read_image_sets([table.path(row)]).content_key(0)


def test_tables_folders_and_single_images_mix(two):
    table = two[0] / "cells.csv"
    frame = pd.DataFrame({"path": ["blast/blast-00.png", "blast/blast-01.png"], "dataset": "mine", "patient": "P1"})
    frame.to_csv(table, index=False)
    found = read_image_sets([table, two[1] / "lymphocyte" / "lymphocyte-07.png"])
    assert list(found.frame["dataset"]) == ["mine", "mine", "lymphocyte"]
    assert list(found.frame["patient"].isna()) == [False, False, True]


def test_boxes_stay_whole_numbers_and_missing_ones_missing(two):
    boxes = two[0] / "cells.csv"
    pd.DataFrame({"path": ["blast/blast-00.png"], "x0": [2], "y0": [3], "x1": [20], "y1": [30]}).to_csv(
        boxes, index=False
    )
    found = read_image_sets([boxes, two[1]])
    assert found.box(0) == (2, 3, 20, 30)
    assert found.box(1) is None
    assert found.read(0).shape == (27, 18, 3)


def test_images_without_a_patient_are_not_one_patient(two):
    table = two[0] / "cells.csv"
    pd.DataFrame({"path": ["blast/blast-00.png"], "patient": ["P1"]}).to_csv(table, index=False)
    found = read_image_sets([table, two[1]])
    assert found.frame["patient"].tolist() == ["P1"] + [None] * 12
    units, kind = split_units(found)
    assert kind == "patient"
    assert len(set(units)) == 13


def test_masks_stay_beside_their_images(two):
    table = two[0] / "cells.csv"
    pd.DataFrame({"path": ["blast/blast-00.png"], "mask": ["blast/blast-01.png"]}).to_csv(table, index=False)
    found = read_image_sets([table, two[1]])
    assert found.mask_path(0) == two[0] / "blast" / "blast-01.png"
    assert found.mask_path(1) is None


def test_one_id_for_two_images_is_refused(two):
    for folder, name in zip(two, ("blast/blast-00.png", "lymphocyte/lymphocyte-09.png"), strict=True):
        pd.DataFrame({"path": [name], "id": ["cell-1"]}).to_csv(folder / "cells.csv", index=False)
    with pytest.raises(CytosaeError, match=r"1 image ids stand in more than one source, such as 'cell-1'"):
        read_image_sets([folder / "cells.csv" for folder in two])


def test_no_source_is_a_sentence():
    with pytest.raises(CytosaeError, match="No images are given"):
        read_image_sets([])


def test_an_unreadable_source_is_a_sentence(two):
    with pytest.raises(CytosaeError, match="/nowhere does not exist"):
        read_image_sets([two[0], "/nowhere"])
