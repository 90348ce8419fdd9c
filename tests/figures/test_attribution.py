from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.figures.attribution import GAMMA, GREYS, faded, multiply, overlay, patch_attribution
from cytosae_toolkit.figures.references import LatentRow
from cytosae_toolkit.figures.style import save_figure

BOXES = np.array([[0, 0, 4, 8], [4, 0, 8, 8]], dtype=float)
IMAGE = np.full((8, 8, 3), 200, dtype=np.uint8)


def row(n: int = 2) -> LatentRow:
    return LatentRow("latent 7", "h = 0.5", [IMAGE] * n, [np.array([4.0, 1.0])] * n, [BOXES] * n)


def shown(axis) -> np.ndarray:
    return np.asarray(axis.images[0].get_array())


def test_an_image_times_activation_is_linear_and_black_where_silent():
    found = multiply(IMAGE, np.array([0.0, 0.25]), BOXES, 0.5)
    assert (found[:, :4] == 0).all()
    assert (found[:, 4:] == 100).all()
    assert (multiply(IMAGE, np.array([0.0, 9.0]), BOXES, 0.5)[:, 4:] == 200).all()


def test_a_latent_that_is_silent_everywhere_is_black():
    assert (multiply(IMAGE, np.zeros(2), BOXES, 0.0) == 0).all()


def test_an_image_its_patch_and_its_latents():
    figure = patch_attribution(IMAGE, BOXES, [np.array([1.0, 0.25]), np.zeros(2)], [row(), row(1)], patch=1, title="t")
    left, right = figure.subfigs
    assert (shown(left.axes[0]) == 200).all()
    outline = left.axes[0].patches[-1]
    assert (outline.get_x(), outline.get_y(), outline.get_width(), outline.get_height()) == (3.5, -0.5, 4, 8)
    text, here, first, second, _, here2, *_ = right.axes
    assert [part.get_text() for part in text.texts] == ["latent 7", "h = 0.5"]
    assert (shown(here)[:, :4] == 200).all()
    weak = round(200 * 0.25**GAMMA + GREYS[1] * (1 - 0.25**GAMMA))
    assert (shown(here)[:, 4:] == weak).all()
    assert (shown(first)[:, 4:] == weak).all()  # the references' own scale
    np.testing.assert_array_equal(shown(first), shown(second))
    np.testing.assert_array_equal(shown(here2), faded(IMAGE))


def test_the_cell_is_recognised_where_a_latent_is_silent():
    pale = np.full((8, 8, 3), (120, 130, 150), dtype=np.uint8)
    pale[2:6, 2:6] = (100, 90, 150)
    found = faded(pale)
    assert (found[..., :1] == found).all()
    assert found[0, 0, 0] - found[4, 4, 0] > 60
    assert found.min() >= GREYS[0]


def test_a_region_is_outlined_on_the_image_and_on_what_latents_see():
    figure = patch_attribution(IMAGE, BOXES, [np.ones(2)], [row(1)], region=(1, 2, 5, 7))
    left, right = figure.subfigs
    for axis in (left.axes[0], right.axes[1]):
        box = axis.patches[-1]
        assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (0.5, 1.5, 4, 5)
    assert "region" in left.axes[0].get_title(loc="left")
    assert overlay(IMAGE, np.ones(2), BOXES, region=(1, 2, 5, 7)).axes[0].patches[-1].get_width() == 4


def test_the_largest_in_the_atlas_is_named_and_does_not_pale_the_overlay():
    axis, bar = overlay(IMAGE, np.array([0.0, 0.4]), BOXES, largest=7.0).axes
    assert bar.get_ylabel() == "activation (largest in the atlas 7)"
    assert np.asarray(axis.images[1].get_array())[0, 7, 3] == pytest.approx(0.85)


def test_without_a_patch_or_references():
    figure = patch_attribution(IMAGE, BOXES, [np.ones(2)], [row(0)])
    assert not figure.subfigs[0].axes[0].patches
    assert len(figure.subfigs[1].axes) == 2


def test_the_overlay_keeps_the_image_and_says_the_units(tmp_path):
    figure = overlay(IMAGE, np.array([0.0, 0.4]), BOXES, title="latent 7", patch=0)
    axis, bar = figure.axes
    ramp = np.asarray(axis.images[1].get_array())
    assert (ramp[:, :4, 3] == 0).all()
    assert ramp[:, 4:, 3] == pytest.approx(0.85)
    assert bar.get_ylabel() == "activation"
    assert bar.get_ylim() == (0, pytest.approx(0.4))
    assert save_figure(figure, tmp_path / "a.png")[0].stat().st_size > 1000


def test_the_scale_of_overlays_can_be_shared():
    axis, bar = overlay(IMAGE, np.array([0.0, 0.4]), BOXES, vmax=0.8).axes
    assert bar.get_ylim() == (0, 0.8)
    assert 0.3 < np.asarray(axis.images[1].get_array())[0, 7, 3] < 0.5


def test_a_silent_latent_has_an_overlay():
    assert np.asarray(overlay(IMAGE, np.zeros(2), BOXES).axes[0].images[1].get_array())[..., 3].max() == 0
