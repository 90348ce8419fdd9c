"""What is saved of a view is the picture, and as much of it as is seen."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cytosae._export_shot import MOST_SIDE, photograph
from napari_cytosae._pixels import picture_of
from napari_cytosae._regions import draw_region
from napari_cytosae._scale import ScaleChooser

CANVAS = (200, 300)


@pytest.fixture
def shots(monkeypatch):
    """Photograph a canvas whose pixels tell their row and column; note what is asked for, and where the camera was."""
    shots = []

    def screenshot(viewer, *, size=None, **options):
        camera = viewer.scene.camera
        shots.append((None if size is None else tuple(size), tuple(camera.center[-2:]), camera.zoom))
        rows, columns = np.indices(size or CANVAS)
        return np.stack([rows, columns, rows, columns], axis=2)

    monkeypatch.setattr(ViewerModel, "screenshot", screenshot, raising=False)
    return shots


@pytest.fixture
def shown(viewer, picture):
    """A picture of 90 x 130 pixels, half a micrometre each, from (10, 20) on."""
    layer = viewer.add_image(picture, rgb=True, scale=(0.5, 0.5), translate=(10.25, 20.25), units=("um", "um"))
    look(viewer, 2, (10 + 22.5, 20 + 32.5))
    return picture_of(layer, viewer.dims)


def look(viewer, zoom, center):
    viewer.scene.camera.zoom, viewer.scene.camera.center = zoom, (0.0, *center)


def test_on_the_screen_what_lies_around_the_picture_is_cut_off(viewer, shown, shots):
    image = photograph(viewer, shown, None).image
    assert image.shape[:2] == (90, 130)  # 45 and 65 µm at two pixels each
    assert image[0, 0].tolist()[:2] == [55, 85] and image[-1, -1].tolist()[:2] == [144, 214]
    assert len(shots) == 1


def test_of_a_part_that_is_seen_only_that_part_is_saved(viewer, shown, shots):
    look(viewer, 10, (10, 20))  # the upper left corner in the middle
    image = photograph(viewer, shown, None).image
    assert image.shape[:2] == (100, 150) and image[0, 0].tolist()[:2] == [100, 150]
    photograph(viewer, shown, 3.0)
    assert shots[-1] == ((60, 90), (15.0, 27.5), 6.0)  # 10 x 15 µm, six pixels a µm


@pytest.mark.parametrize(("enlarged", "ratio"), [(1.0, 1.0), (4.0, 1.0), (2.0, 1.25)])
def test_the_pictures_own_pixels_are_drawn_anew_and_the_camera_is_put_back(viewer, shown, shots, enlarged, ratio):
    before = viewer.scene.camera.zoom, viewer.scene.camera.center
    shot = photograph(viewer, shown, enlarged, ratio)
    assert shot.image.shape[:2] == (90 * enlarged, 130 * enlarged) and shot.reduced == 1
    size, center, zoom = shots[-1]
    assert size == (90 * enlarged, 130 * enlarged)
    assert center == (32.5, 52.5) and zoom == pytest.approx(2 * enlarged / ratio)
    assert (viewer.scene.camera.zoom, viewer.scene.camera.center) == before


def test_more_than_can_be_drawn_at_once_is_reduced(viewer, shown, shots):
    shot = photograph(viewer, shown, 100.0)
    assert max(shot.image.shape) == MOST_SIDE
    assert shot.reduced == pytest.approx(MOST_SIDE / 13_000)


def test_units_of_the_viewer_may_differ(viewer, shown, shots):
    viewer.add_image(np.zeros((10, 10)), units=("nm", "nm"))
    look(viewer, 0.002, (32_500, 52_500))
    assert photograph(viewer, shown, None).image.shape[:2] == (90, 130)


def test_without_a_picture_that_is_seen_all_is_saved(viewer, shown, shots):
    assert photograph(viewer, None, 1.0).image.shape[:2] == CANVAS
    look(viewer, 2, (900, 900))
    assert photograph(viewer, shown, 1.0).image.shape[:2] == CANVAS
    viewer.dims.ndisplay = 3
    assert photograph(viewer, shown, 1.0).image.shape[:2] == CANVAS


def test_it_tells_whether_the_view_cuts_the_picture(viewer, shown, shots):
    assert not photograph(viewer, shown, None).cut and not photograph(viewer, shown, 1.0).cut
    look(viewer, 10, (10, 20))
    assert photograph(viewer, shown, None).cut and photograph(viewer, shown, 1.0).cut


def test_regions_lines_and_outlines_are_not_in_it(qapp, viewer, shown, monkeypatch):
    region, scale = draw_region(viewer, "A", "ellipse", shown), ScaleChooser(viewer)
    scale.set_picture(shown)
    scale.start_line()
    helps = [region, viewer.layers.selection.active]
    seen = []

    def screenshot(viewer, **options):
        seen.append([layer.visible for layer in helps])
        return np.zeros((*CANVAS, 4), dtype=np.uint8)

    monkeypatch.setattr(ViewerModel, "screenshot", screenshot, raising=False)
    photograph(viewer, shown, 1.0)
    assert len(seen) == 2 and not np.any(seen)
    assert all(layer.visible for layer in helps)
