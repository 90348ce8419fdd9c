from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from cytosae_toolkit.demo import DatasetSpec, read_masks, write_dataset
from cytosae_toolkit.images import decode, read_images
from cytosae_toolkit.images.morphology import (
    cell_masks,
    colour_moments,
    grow_cell,
    measure_cell,
    opened,
    shrunk,
)

EMPTY, RED_CELL, NUCLEUS, CYTOPLASM = (235, 230, 240), (205, 135, 135), (90, 50, 150), (180, 175, 215)


def disk(image: np.ndarray, x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    image[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = colour


def smear() -> np.ndarray:
    image = np.full((90, 90, 3), EMPTY, dtype=np.uint8)
    for x, y in ((10, 10), (80, 12), (12, 76), (78, 78), (45, 6)):
        disk(image, x, y, 13, RED_CELL)
    return image


def test_nucleus_and_cell_of_a_drawn_picture() -> None:
    image = smear()
    disk(image, 45, 45, 20, CYTOPLASM)
    disk(image, 47, 45, 12, NUCLEUS)
    found = measure_cell(image)
    assert found.nuclear_area == pytest.approx(np.pi * 144 / 8100, rel=0.12)
    assert found.cell_size == pytest.approx(np.pi * 400 / 8100, rel=0.12)
    assert found.nc_ratio == pytest.approx(found.nuclear_area / found.cell_size)


def test_lobes_are_one_nucleus_and_a_platelet_is_none() -> None:
    image = smear()
    disk(image, 45, 45, 22, CYTOPLASM)
    for x, y in ((35, 38), (53, 38), (45, 55)):
        disk(image, x, y, 7, NUCLEUS)
    disk(image, 5, 45, 3, NUCLEUS)
    assert measure_cell(image).nuclear_area == pytest.approx(3 * np.pi * 49 / 8100, rel=0.2)


@pytest.mark.parametrize("picture", ["red cells", "empty", "black", "tiny"])
def test_nan_where_there_is_no_nucleus(picture: str) -> None:
    image = {
        "red cells": smear(),
        "empty": np.full((64, 64, 3), 240, np.uint8),
        "black": np.zeros((64, 64, 3), np.uint8),
        "tiny": np.full((3, 3, 3), NUCLEUS, np.uint8),
    }[picture]
    assert np.isnan(measure_cell(image)).all()


def test_noise_and_odd_shapes_give_numbers_or_nan() -> None:
    rng = np.random.default_rng(0)
    for shape in ((9, 200, 3), (300, 8, 3), (97, 96, 3)):
        found = np.array(measure_cell(rng.integers(0, 256, shape, dtype=np.uint8)))
        assert np.isnan(found).all() or ((found > 0) & (found <= 1)).all()


def test_size_of_the_picture_does_not_matter() -> None:
    image = smear()
    disk(image, 45, 45, 20, CYTOPLASM)
    disk(image, 45, 45, 12, NUCLEUS)
    large = np.asarray(Image.fromarray(image).resize((360, 360), Image.Resampling.BILINEAR))
    assert shrunk(large).shape == (96, 96, 3)
    np.testing.assert_allclose(measure_cell(large), measure_cell(image), rtol=0.1)


def test_threads_find_the_same() -> None:
    image = smear()
    disk(image, 45, 45, 15, NUCLEUS)
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(measure_cell, [image] * 16))) == 1


def test_grown_cell_holds_its_nucleus_and_not_its_neighbour() -> None:
    density = np.zeros((60, 60, 3), np.float32)
    density[20:40, 10:50] = 0.3
    nucleus, other = np.zeros((60, 60), bool), np.zeros((60, 60), bool)
    nucleus[25:35, 15:25], other[25:35, 36:46] = True, True
    density[nucleus | other] = 1.0
    cell = grow_cell(density, nucleus, other)
    assert cell[nucleus].all()
    assert not cell[other].any()
    assert cell[22, 20] and not cell[10, 20]


def test_opening_removes_tails_and_keeps_disks() -> None:
    mask = np.zeros((60, 60), bool)
    rows, columns = np.ogrid[:60, :60]
    mask[(rows - 30) ** 2 + (columns - 30) ** 2 <= 225] = True
    body = mask.sum()
    mask[29:32, 45:60] = True
    assert abs(opened(mask, 5).sum() - body) < 0.05 * body
    assert not opened(np.zeros((5, 5), bool), 2).any()


def test_moments_are_those_of_numpy() -> None:
    image = np.random.default_rng(0).integers(0, 256, (17, 23, 3), dtype=np.uint8)
    image[:5] //= 3
    x = image.reshape(-1, 3) / 255
    third = ((x - x.mean(0)) ** 3).mean(0)
    expected = np.concatenate([x.mean(0), x.std(0), np.cbrt(third)])
    found = colour_moments(image)
    assert found.dtype == np.float32 and found.shape == (9,)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_generated_cells_agree_with_their_masks(tmp_path: Path) -> None:
    write_dataset(tmp_path / "smears", DatasetSpec(n_images=60, n_patients=6, seed=1))
    table = read_images(tmp_path / "smears" / "images.csv")
    found = np.array([measure_cell(table.read(i)) for i in range(len(table))])
    paths = [table.mask_path(i) for i in range(len(table))]
    masks = [read_masks(path) for path in paths if path is not None]
    nucleus = np.array([mask["nucleus"].mean() for mask in masks])
    cell = np.array([(mask["nucleus"] | mask["cytoplasm"]).mean() for mask in masks])
    assert not np.isnan(found).any()
    assert stats.pearsonr(found[:, 0], nucleus).statistic > 0.8
    assert stats.pearsonr(found[:, 2], cell).statistic > 0.6


@pytest.mark.slow
@pytest.mark.parametrize(("part", "least"), [("wbc_d1", (0.80, 0.80, 0.92)), ("wbc_d2", (0.90, 0.62, 0.75))])
def test_real_cells_agree_with_their_masks(part: str, least: tuple[float, ...], shared_data: Path) -> None:
    folder = shared_data / "data" / part
    found, expected = [], []
    for path in sorted((folder / "masks").rglob("*.png")):
        mask = np.asarray(Image.open(path).convert("L"))
        nucleus, cell = (mask > 200).mean(), (mask > 60).mean()
        expected.append((nucleus, nucleus / cell, cell))
        found.append(measure_cell(decode(folder / "images" / path.relative_to(folder / "masks"))))
    for k in range(3):
        r = stats.pearsonr(np.array(found)[:, k], np.array(expected)[:, k]).statistic
        assert r > least[k], f"column {k}: r = {r:.3f}"


def test_a_picture_takes_milliseconds(shared_data: Path) -> None:
    image = decode(sorted((shared_data / "data" / "wbc_acevedo_mini").rglob("*.jpg"))[0])
    assert cell_masks(image) is not None
    fastest = np.inf
    for _ in range(10):
        start = time.perf_counter()
        measure_cell(image)
        fastest = min(fastest, time.perf_counter() - start)
    assert fastest < 0.05  # 8 ms on a quiet core
