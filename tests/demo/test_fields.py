import numpy as np
import pytest

from cytosae_toolkit.demo.fields import generate_field


@pytest.fixture(scope="module")
def field():
    return generate_field(np.random.default_rng(3), laboratory="amber")


def test_field_holds_white_cells_among_many_red_ones(field):
    assert field.image.shape == (480, 640, 3) and len(field.boxes) == 6
    assert field.masks["red_cells"].mean() > 0.2


def test_boxes_hold_each_a_whole_cell(field):
    white = field.masks["nucleus"] | field.masks["cytoplasm"]
    covered = np.zeros_like(white)
    for box in field.boxes:
        assert 0 <= box.x0 < box.x1 <= 640 and 0 <= box.y0 < box.y1 <= 480
        assert 0.5 < white[box.y0 : box.y1, box.x0 : box.x1].mean() < 1
        covered[box.y0 : box.y1, box.x0 : box.x1] = True
        inner = white[box.y0 : box.y1, box.x0 : box.x1]
        assert inner[:3].any() and inner[-3:].any() and inner[:, :3].any() and inner[:, -3:].any()
    assert not (white & ~covered).any()


def test_mixture_decides_the_classes():
    field = generate_field(np.random.default_rng(0), n_white_cells=5, mixture={"blast": 1.0})
    assert {box.label for box in field.boxes} == {"blast"}


def test_same_seed_same_field():
    a, b = (generate_field(np.random.default_rng(7), width=200, height=150) for _ in range(2))
    assert np.array_equal(a.image, b.image) and a.boxes == b.boxes


def test_full_field_gives_fewer_cells_and_none_is_fine():
    assert len(generate_field(np.random.default_rng(0), width=200, height=150, n_white_cells=50).boxes) < 8
    assert generate_field(np.random.default_rng(0), width=200, height=150, n_white_cells=0).boxes == ()
