from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytosae_toolkit.demo import generate_field
from cytosae_toolkit.images import decode
from cytosae_toolkit.images.red_cell_size import estimate_red_cells


@pytest.mark.parametrize("scale", [4.0, 7.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_generated_red_cells_are_measured(scale: float, seed: int) -> None:
    field = generate_field(np.random.default_rng(seed), scale=scale)
    found = estimate_red_cells(field.image)
    assert found.is_certain
    assert found.diameter / scale == pytest.approx(7.5, rel=0.15)


def test_size_of_the_picture_scales_the_diameter() -> None:
    image = generate_field(np.random.default_rng(0), scale=5.0).image
    double = np.asarray(Image.fromarray(image).resize((1280, 960)))
    assert estimate_red_cells(double).diameter == pytest.approx(2 * estimate_red_cells(image).diameter, rel=0.1)


@pytest.mark.parametrize("picture", ["blank", "noise"])
def test_without_circles_it_is_not_certain(picture: str) -> None:
    blank = np.full((200, 300, 3), 230, np.uint8)
    noise = np.random.default_rng(0).integers(200, 255, (200, 300, 3), dtype=np.uint8)
    assert not estimate_red_cells(blank if picture == "blank" else noise).is_certain


@pytest.mark.slow
@pytest.mark.parametrize("part", ["smear_fields", "smear_tiles_256"])
def test_real_red_cells_are_measured(part: str, shared_data: Path) -> None:
    folder = shared_data / "data" / part
    ratios = []
    for record in json.loads((folder / "annotations.json").read_text())[:12]:
        boxes = np.array([o["bbox_xyxy"] for o in record["objects"] if o["label"] == "RBC"], dtype=float)
        whole = (
            (boxes[:, :2] > 2).all(axis=1) & (boxes[:, 2] < record["width"] - 2) & (boxes[:, 3] < record["height"] - 2)
        )
        if whole.sum() >= 3:
            sides = np.sqrt((boxes[whole, 2:] - boxes[whole, :2]).prod(axis=1))
            ratios.append(estimate_red_cells(decode(folder / record["file"])).diameter / np.median(sides))
    assert np.median(ratios) == pytest.approx(1, abs=0.15)
    assert np.percentile(np.abs(np.log(ratios)), 90) < 0.3


@pytest.mark.filterwarnings("error")
def test_places_without_anything_beside_steep_ones_are_no_edges() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        image = np.full((300, 400, 3), rng.integers(0, 256), dtype=np.uint8)
        image[40:200, 60:300] = rng.integers(0, 256, (160, 240, 3))
        assert np.isfinite(estimate_red_cells(image)).all()
