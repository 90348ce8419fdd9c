"""Near-duplicates are found under other light, and different cells stay apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import holdout, near_duplicate_groups, read_images


def cell(seed: int) -> np.ndarray:
    """A round textured blob in the middle of a textured field, float64 [96, 96, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    inside = gaussian_filter((np.hypot(x, y) < 0.6).astype(float), 1.5)
    texture = sum(gaussian_filter(rng.normal(size=(96, 96)), s) * s for s in (2, 4, 6))
    return (190 - 90 * inside + 40 * texture)[:, :, None] * np.array([1.0, 0.85, 1.05])


def save(file: Path, picture: np.ndarray, **options: int) -> None:
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(file, **options)


def test_one_cell_under_other_light_is_one_group(tmp_path: Path) -> None:
    for seed in range(6):
        save(tmp_path / f"{seed}.png", cell(seed))
        save(tmp_path / f"{seed}_jpeg.jpg", cell(seed), quality=80)
        save(tmp_path / f"{seed}_dark.png", cell(seed) * 0.7)
        save(tmp_path / f"{seed}_stain.png", cell(seed) * [0.8, 0.9, 1.1] + 10)
        save(tmp_path / f"{seed}_moved.png", cell(seed)[2:-2, 3:-1])
    images = read_images(tmp_path)
    seeds = np.array([path[0] for path in images.frame["path"]])
    groups = near_duplicate_groups(images)
    np.testing.assert_array_equal(groups[:, None] == groups, seeds[:, None] == seeds)
    assert set(groups) <= set(images.ids)
    shuffled = np.random.default_rng(0).permutation(len(images))
    np.testing.assert_array_equal(near_duplicate_groups(images.subset(shuffled)), groups[shuffled])
    split = holdout(images, 0.3)
    assert split.unit == "near-duplicates"
    assert not set(seeds[split.train]) & set(seeds[split.held_out])


def test_pictures_without_structure_do_not_fail(tmp_path: Path) -> None:
    for value in (0, 100, 255):
        save(tmp_path / f"{value}.png", np.full((20, 30, 3), float(value)))
    assert len(near_duplicate_groups(read_images(tmp_path))) == 3


def test_thresholds_out_of_range(tmp_path: Path) -> None:
    save(tmp_path / "a.png", cell(0))
    for options in ({"max_distance": 128}, {"min_correlation": 2.0}):
        with pytest.raises(CytosaeError, match="must be"):
            near_duplicate_groups(read_images(tmp_path), **options)


def test_rephotographed_real_cells(shared_data: Path, tmp_path: Path) -> None:
    manifest = pd.read_csv(shared_data / "data" / "manifest.csv")
    chula = manifest[manifest["part"] == "wbc_chula"]
    paths = [str(shared_data / "data" / file) for file in chula["file"]]
    pd.DataFrame({"path": paths, "id": chula["file"]}).to_csv(tmp_path / "t.csv", index=False)
    found = near_duplicate_groups(read_images(tmp_path / "t.csv"))
    known = chula["group"].to_numpy(dtype=str)
    upper = np.triu_indices(len(known), 1)
    same = (known[:, None] == known)[upper]
    together = (found[:, None] == found)[upper]
    assert (together & same).sum() / together.sum() > 0.98
    assert (together & same).sum() / same.sum() > 0.5
