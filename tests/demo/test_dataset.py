import csv
import hashlib

import numpy as np
import pytest
from PIL import Image

from cytosae_toolkit.demo.dataset import COLUMNS, DatasetSpec, plan_dataset, render, write_dataset
from cytosae_toolkit.demo.faults import Faults
from cytosae_toolkit.demo.laboratories import LABORATORIES
from cytosae_toolkit.demo.masks import MASKS, read_masks
from cytosae_toolkit.errors import CytosaeError

SMALL = DatasetSpec(n_images=15, n_patients=5, seed=3, size=64, rephotographed=0.4)


def _digest(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _rows(table):
    with table.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("smears") / "set", SMALL)


def test_table_has_its_columns_and_the_files_exist(table):
    rows = _rows(table)
    assert tuple(rows[0]) == COLUMNS and len(rows) == 15
    assert len({row["id"] for row in rows}) == 15 and len({row["patient"] for row in rows}) == 5
    for row in rows:
        with Image.open(table.parent / row["path"]) as image:
            assert image.size == (64, 64) and image.mode == "RGB"
        assert set(read_masks(table.parent / row["mask"])) == set(MASKS)


def test_same_seed_same_bytes_and_another_seed_others(table, tmp_path):
    write_dataset(tmp_path / "again", SMALL)
    assert _digest(tmp_path / "again") == _digest(table.parent)
    other = DatasetSpec(n_images=15, n_patients=5, seed=4, size=64)
    assert _digest(write_dataset(tmp_path / "other", other).parent) != _digest(table.parent)


@pytest.mark.slow
def test_workers_do_not_change_the_bytes(table, tmp_path):
    write_dataset(tmp_path / "parallel", SMALL, workers=2)
    assert _digest(tmp_path / "parallel") == _digest(table.parent)


def test_pictures_do_not_depend_on_their_order():
    plans = plan_dataset(SMALL)
    forward = [render(plan, SMALL).image for plan in plans[:4]]
    backward = [render(plan, SMALL).image for plan in reversed(plans[:4])]
    assert all(np.array_equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))


def test_rephotographs_share_group_and_label_and_differ(table):
    plans = plan_dataset(SMALL)
    again = [i for i, plan in enumerate(plans) if plan.again]
    assert again
    for i in again:
        assert plans[i].group == plans[i - 1].group and plans[i].label == plans[i - 1].label
    i = again[0]
    assert not np.array_equal(render(plans[i], SMALL).image, render(plans[i - 1], SMALL).image)
    none = plan_dataset(DatasetSpec(n_images=40, n_patients=4, rephotographed=0.0))
    assert len({plan.group for plan in none}) == 40


def test_masks_match_the_picture(table):
    row = _rows(table)[0]
    image = np.asarray(Image.open(table.parent / row["path"]))
    nucleus = read_masks(table.parent / row["mask"])["nucleus"]
    assert image[nucleus].mean() < image[~nucleus].mean() - 30


def test_laboratory_is_independent_of_disease_unless_confounded():
    def pairs(confounding):
        spec = DatasetSpec(n_images=200, n_patients=50, faults=Faults(confounding=confounding))
        return {(plan.disease, plan.laboratory) for plan in plan_dataset(spec)}

    assert len(pairs(0.0)) == 5 * len(LABORATORIES) and len(pairs(1.0)) == 5


def test_label_and_laboratory_are_independent():
    plans = plan_dataset(DatasetSpec(n_images=4000, n_patients=100))
    for lab in LABORATORIES:
        share = np.mean([plan.label == "lymphocyte" for plan in plans if plan.laboratory == lab])
        overall = np.mean([plan.label == "lymphocyte" for plan in plans])
        assert abs(share - overall) < 0.06


def test_planted_faults_are_listed(tmp_path):
    spec = DatasetSpec(n_images=6, n_patients=2, size=64, faults=Faults(bright=1.0, mark=1.0))
    rows = _rows(write_dataset(tmp_path / "faulty", spec))
    assert {row["planted"] for row in rows} == {"bright+mark"}


def test_progress_is_told(tmp_path):
    told = []
    write_dataset(
        tmp_path / "set",
        DatasetSpec(n_images=3, n_patients=1, size=32),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_existing_folder_is_refused(tmp_path):
    with pytest.raises(CytosaeError, match="exists already"):
        write_dataset(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_images": 0},
        {"n_images": 3, "n_patients": 4},
        {"size": 8},
        {"rephotographed": 1.0},
        {"laboratories": ()},
        {"laboratories": ("nowhere",)},
    ],
)
def test_impossible_specs_are_refused(wrong):
    with pytest.raises(CytosaeError):
        DatasetSpec(**wrong)
