from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.optimize import linear_sum_assignment

from cytosae_toolkit.demo import generate_field
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import decode
from cytosae_toolkit.images.cells import FoundCell, find_cells

Boxes = list[tuple[float, float, float, float]]


def n_matched(found: list[FoundCell], boxes: Boxes) -> int:
    """Number of boxes that hold the centre of a find of their own."""
    if not found or not boxes:
        return 0
    inside = np.array([[x0 <= cell.centre[0] <= x1 and y0 <= cell.centre[1] <= y1 for x0, y0, x1, y1 in boxes]
                       for cell in found])  # fmt: skip
    return int(inside[linear_sum_assignment(~inside)].sum())


def test_generated_fields_of_all_laboratories_and_scales() -> None:
    rng = np.random.default_rng(5)
    n_boxes = n_hits = n_false = 0
    for scale in np.linspace(3.5, 8, 12):
        field = generate_field(rng, scale=float(scale), n_white_cells=4)
        found = find_cells(field.image)
        hits = n_matched(found, [(box.x0, box.y0, box.x1, box.y1) for box in field.boxes])
        n_boxes, n_hits, n_false = n_boxes + len(field.boxes), n_hits + hits, n_false + len(found) - hits
    assert n_hits >= 0.95 * n_boxes
    assert n_false <= 2


def test_a_field_without_white_cells_has_none() -> None:
    field = generate_field(np.random.default_rng(0), n_white_cells=0)
    assert find_cells(field.image) == []


def test_boxes_and_areas_fit_the_drawn_cells() -> None:
    field = generate_field(np.random.default_rng(2), n_white_cells=3, mixture={"lymphocyte": 1.0}, scale=6.0)
    cells = find_cells(field.image, red_cell_diameter=45)
    assert len(cells) == len(field.boxes)
    drawn = sorted((box.y0, box.x0, box.x1 - box.x0) for box in field.boxes)
    for cell, (y0, x0, width) in zip(cells, drawn, strict=True):
        assert abs(cell.x0 - x0) < 18 and abs(cell.y0 - y0) < 18
        assert cell.x1 - cell.x0 == pytest.approx(width, rel=0.4)
        assert 0 < cell.nuclear_area <= cell.cell_area
        assert cell.diameter == pytest.approx(width, rel=0.3)
        assert cell.score > 1


def test_a_cell_at_the_border_is_marked() -> None:
    field = generate_field(np.random.default_rng(2), n_white_cells=1, mixture={"blast": 1.0}, scale=6.0)
    box = field.boxes[0]
    whole = find_cells(field.image, red_cell_diameter=45)
    cut = find_cells(np.ascontiguousarray(field.image[:, (box.x0 + box.x1) // 2 :]), red_cell_diameter=45)
    assert [cell.touches_border for cell in whole] == [False]
    assert [cell.touches_border for cell in cut] == [True]
    assert cut[0].x0 == 0


def test_pixel_size_and_diameter_say_the_same() -> None:
    image = generate_field(np.random.default_rng(1), scale=5.0).image
    assert find_cells(image, pixel_size=0.2) == find_cells(image, red_cell_diameter=37.5)


def test_a_coloured_uneven_lamp_does_not_matter() -> None:
    field = generate_field(np.random.default_rng(1), scale=5.0)
    lamp = np.linspace(0.55, 1, field.image.shape[1])[None, :, None] * np.array([1.0, 0.9, 0.75])
    found = find_cells((field.image * lamp).astype(np.uint8))
    assert n_matched(found, [(box.x0, box.y0, box.x1, box.y1) for box in field.boxes]) >= len(field.boxes) - 1
    assert len(found) <= len(field.boxes) + 1


def test_platelets_and_dust_are_too_small() -> None:
    image = generate_field(np.random.default_rng(0), n_white_cells=0, scale=6.0).image.copy()
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    for x, y in ((100, 100), (300, 200), (500, 350)):
        image[(rows - y) ** 2 + (columns - x) ** 2 <= 7**2] = (100, 60, 150)
    assert find_cells(image, red_cell_diameter=45) == []


def with_pale_disks(color: tuple[int, int, int]) -> np.ndarray:
    """Return a field in which three red cells have another colour."""
    image = generate_field(np.random.default_rng(1), n_white_cells=2, scale=6.0).image.copy()
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    for x, y in ((100, 100), (300, 200), (500, 350)):
        image[(rows - y) ** 2 + (columns - x) ** 2 <= 20**2] = color
    return image


def test_faint_greenish_red_cells_are_no_nuclei() -> None:
    boxes: Boxes = [(x - 20, y - 20, x + 20, y + 20) for x, y in ((100, 100), (300, 200), (500, 350))]
    greenish = find_cells(with_pale_disks((90, 180, 170)), red_cell_diameter=45)
    purple = find_cells(with_pale_disks((130, 110, 190)), red_cell_diameter=45)
    assert n_matched(greenish, boxes) == 0
    assert n_matched(purple, boxes) == 3


@pytest.mark.parametrize("shape", [(8, 8), (40, 600), (300, 200)])
@pytest.mark.parametrize("level", [0, 255])
def test_pictures_without_anything_hold_no_cells(shape: tuple[int, int], level: int) -> None:
    assert find_cells(np.full((*shape, 3), level, np.uint8), red_cell_diameter=8) == []


@pytest.mark.parametrize(
    "scale", [{"red_cell_diameter": 2.0}, {"red_cell_diameter": 5000.0}, {"pixel_size": 8.0}, {"pixel_size": 0.0}]
)
def test_scales_that_no_picture_has_are_refused(scale: dict[str, float]) -> None:
    with pytest.raises(CytosaeError, match=r"pixel"):
        find_cells(np.full((100, 100, 3), 200, np.uint8), **scale)


def annotated(folder: Path) -> list[tuple[np.ndarray, Boxes]]:
    records = json.loads((folder / "annotations.json").read_text())
    others = ("RBC", "Platelets")
    return [
        (
            decode(folder / record["file"]),
            [tuple(o["bbox_xyxy"]) for o in record["objects"] if o["label"] not in others],
        )
        for record in records
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "least_recall", "most_false"),
    [("smear_fields", 0.95, 2.0), ("smear_fields_chula", 0.85, 2.0), ("smear_tiles_256", 0.90, 1.0)],
)
def test_white_cells_of_real_fields(part: str, least_recall: float, most_false: float, shared_data: Path) -> None:
    n_boxes = n_hits = n_found = 0
    fields = annotated(shared_data / "data" / part)
    for image, boxes in fields:
        found = find_cells(image)
        n_boxes, n_found, n_hits = n_boxes + len(boxes), n_found + len(found), n_hits + n_matched(found, boxes)
    recall, false = n_hits / n_boxes, (n_found - n_hits) / len(fields)
    assert recall >= least_recall, f"recall {recall:.3f}"
    assert false <= most_false, f"{false:.2f} false finds per field"


def test_a_small_picture_is_enlarged(shared_data: Path) -> None:
    image, boxes = annotated(shared_data / "data" / "smear_fields")[2]
    small = np.asarray(Image.fromarray(image).reduce(6))
    found = find_cells(small)
    assert n_matched(found, [(a / 6, b / 6, c / 6, d / 6) for a, b, c, d in boxes]) == len(boxes)
