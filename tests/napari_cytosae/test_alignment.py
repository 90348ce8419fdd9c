"""On a real screen the overlay shows the very values that `explain` gives, within one pixel of where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.explore.analysing import MemoryField, analyse
from cytosae_toolkit.explore.fields import explain_windows
from cytosae_toolkit.images.windows import window_grid
from napari_cytosae._hover import Hover
from napari_cytosae._overlay import HeatLayers
from napari_cytosae._pixels import picture_of
from napari_cytosae._session import Session

LATENT, WINDOW = 93, 40
SCALE, TRANSLATE = (0.5, 0.8), (12.0, -30.0)


@pytest.fixture
def window(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 700)
    qtbot.wait(200)
    return viewer


@pytest.mark.gui
def test_the_overlay_equals_explain_and_lies_on_its_pixels(window, qtbot, explorer, picture, tmp_path):
    white = np.full_like(picture, 255)
    layer = window.add_image(white, rgb=True, scale=SCALE, translate=TRANSLATE, name="smear")
    session = Session()
    heats = HeatLayers(window, session)
    session.set_source(explorer, explorer.atlas)
    heats.start()
    heats.show_on(picture_of(layer, window.dims))
    session.set_scene(analyse(explorer, MemoryField(picture), "windows", window=WINDOW))
    session.choose(LATENT)
    session.opacity = 1.0

    field, boxes = MemoryField(picture), window_grid(picture.shape, WINDOW)
    explain_windows(explorer, field, boxes, latents=[LATENT], out=tmp_path / "explained")
    expected = read_heat_map(tmp_path / "explained")
    over = heats.layer(0)
    np.testing.assert_array_equal(over.data, expected)
    assert expected.shape[0] != expected.shape[1] and expected.max() > 0

    window.reset_view()
    window.camera.zoom *= 0.9
    qtbot.wait(300)
    seen = window.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    assert_cells_are_where_the_picture_has_them(seen, window, layer, over, expected, picture.shape)
    heats.stop()


def read_heat_map(folder):
    (path,) = (folder / "heatmaps").glob("*.tif*")
    import tifffile

    return tifffile.imread(path)


def assert_cells_are_where_the_picture_has_them(seen, viewer, layer, over, expected, shape):
    """Compare each pixel of the screen with the colour of the cell that lies there, but for those next to an edge."""
    zoom, centre = viewer.camera.zoom, np.array(viewer.camera.center[-2:])
    y, x = np.mgrid[: seen.shape[0], : seen.shape[1]] + 0.5
    world = [(p - side / 2) / zoom + c for p, side, c in zip((y, x), seen.shape[:2], centre, strict=True)]
    # pixels of the picture, from its scale and translate alone; (0, 0) is the corner of the first pixel
    pixels = [(w - t) / s + 0.5 for w, t, s in zip(world, TRANSLATE, SCALE, strict=True)]
    cells = [p / (side / n) for p, side, n in zip(pixels, shape[:2], expected.shape, strict=True)]
    per_pixel = [1 / (zoom * s * side / n) for s, side, n in zip(SCALE, shape[:2], expected.shape, strict=True)]
    inside = np.all([(c >= 0) & (c < n) for c, n in zip(cells, expected.shape, strict=True)], axis=0)
    near = np.any([np.abs(c - np.round(c)) <= by for c, by in zip(cells, per_pixel, strict=True)], axis=0)
    rows, columns = (np.clip(np.floor(c).astype(int), 0, n - 1) for c, n in zip(cells, expected.shape, strict=True))
    share = np.clip(expected / over.contrast_limits[1], 0, 1)[rows, columns]
    colour = over.colormap.map(np.array([1.0]))[0, :3] * 255
    painted = share[..., None] * colour + (1 - share[..., None]) * 255
    compared = inside & ~near
    assert compared.sum() > 50_000
    assert np.abs(seen - painted)[compared].max() <= 4
    assert (seen[~inside & ~near] < 100).all()  # the canvas


@pytest.mark.gui
def test_the_cursor_on_the_screen_finds_the_patch(window, qtbot, explorer, picture):
    from qtpy.QtCore import QPoint, Qt

    layer = window.add_image(picture, rgb=True, scale=SCALE, translate=TRANSLATE)
    session = Session()
    session.set_source(explorer, explorer.atlas)
    hover = Hover(window, session)
    hover.start()
    hover.show_on(picture_of(layer, window.dims))
    session.set_scene(analyse(explorer, MemoryField(picture), "cell"))
    window.reset_view()
    qtbot.wait(300)
    canvas = window.window._qt_viewer.canvas.native
    zoom, centre = window.camera.zoom, window.camera.center[-2:]
    for row, column in ((0, 0), (0, 3), (3, 0), (3, 3), (2, 1)):
        x0, y0, x1, y1 = session.scene.patch_box(spot_of(row, column))
        at = layer.data_to_world(((y0 + y1) / 2 - 0.5, (x0 + x1) / 2 - 0.5))
        place = [
            (a - c) * zoom + side / 2 for a, c, side in zip(at, centre, (canvas.height(), canvas.width()), strict=True)
        ]
        qtbot.mouseMove(canvas, QPoint(round(place[1]), round(place[0])))
        qtbot.waitUntil(lambda wanted=spot_of(row, column): session.spot == wanted, timeout=2000)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(round(place[1]), round(place[0])))
    qtbot.waitUntil(lambda: session.pinned == session.spot, timeout=2000)
    assert hover.outlines.visible
    hover.stop()


def spot_of(row, column):
    from cytosae_toolkit.explore.scene import Spot

    return Spot(0, row, column)
