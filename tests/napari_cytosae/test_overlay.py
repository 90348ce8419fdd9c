"""Heat maps over a picture: kept, moved, renamed and removed with it."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest
from napari.layers import Image

from cytosae_toolkit.explore.analysing import MemoryField, analyse
from napari_cytosae._overlay import ACCENTS, HeatLayers, alpha_ramp
from napari_cytosae._pixels import picture_of

A, B = 93, 81


@pytest.fixture
def shown(qapp, viewer, session, scene, picture):
    """A picture in the viewer, read, with the heat map of a latent."""
    layer = viewer.add_image(picture, name="smear", scale=(0.5, 0.25), translate=(10, -20))
    heats = HeatLayers(viewer, session)
    heats.start()
    heats.show_on(picture_of(layer))
    session.set_scene(scene)
    session.choose(A)
    yield heats
    heats.stop()


def settle(qapp):
    for _ in range(3):
        qapp.processEvents()


def corners(layer):
    ends = np.array(layer.data.shape) - 0.5
    return np.array([layer.data_to_world((-0.5, -0.5)), layer.data_to_world(ends)])


def test_the_layer_shows_the_activations_on_one_scale(shown, session, scene, viewer):
    layer = shown.layer(0)
    np.testing.assert_array_equal(layer.data, scene.heat(A).values)
    assert layer.data.max() > 0
    assert list(layer.contrast_limits) == [0, session.full_scale(A)]
    assert layer.name == f"candidate concept {A} on smear"
    assert (str(layer.blending), str(layer.interpolation2d)) == ("translucent_no_depth", "nearest")
    assert layer.opacity == session.opacity
    np.testing.assert_allclose(corners(layer), [[9.75, -20.125], [9.75 + 45, -20.125 + 32.5]])


def test_the_colour_is_clear_at_nothing_and_opaque_at_full_scale():
    first, second = (alpha_ramp(colour, "c") for colour in ACCENTS)
    np.testing.assert_allclose(first.map(np.array([0, 0.25, 1]))[:, 3], [0, 0.25, 1], atol=0.01)
    assert np.abs(first.map(np.array([1.0]))[0, :3] - second.map(np.array([1.0]))[0, :3]).max() > 0.5


def test_another_latent_or_picture_updates_the_same_layer(shown, session, explorer, picture, viewer):
    layer, layers = shown.layer(0), list(viewer.layers)
    session.choose(B)
    assert shown.layer(0) is layer
    np.testing.assert_array_equal(layer.data, session.scene.heat(B).values)
    assert layer.contrast_limits[1] == session.full_scale(B)
    assert layer.name == f"candidate concept {B} on smear"
    session.set_scene(analyse(explorer, MemoryField(picture), "windows", window=45))
    assert shown.layer(0) is layer and layer.data.shape != (90, 130)
    np.testing.assert_allclose(corners(layer), [[9.75, -20.125], [9.75 + 45, -20.125 + 32.5]])
    assert list(viewer.layers) == layers


def test_two_latents_at_once(shown, session, viewer):
    session.choose(B, 1)
    assert [shown.layer(slot) for slot in (0, 1)] == list(viewer.layers)[1:]
    session.choose(None, 0)
    assert list(viewer.layers)[1:] == [shown.layer(1)]
    session.choose(None, 1)
    assert len(viewer.layers) == 1


def test_it_lies_just_above_the_picture_and_steals_nothing(shown, session, viewer):
    session.choose(None)
    other = viewer.add_points([[1, 1]])
    assert viewer.layers.selection.active is other
    session.choose(A)
    assert [layer.name[:5] for layer in viewer.layers] == ["smear", "candi", "Point"]
    assert viewer.layers.selection.active is other
    session.choose(None)
    viewer.layers.selection.update(viewer.layers[:])
    session.choose(A)
    assert viewer.layers.selection == {viewer.layers[0], other}


def test_what_is_not_above_tau_is_clear(shown, session, scene):
    values = scene.heat(A).values
    session.threshold = float(np.median(values[values > 0]))
    expected = np.where(values > session.threshold, values, 0)
    assert 0 < (expected > 0).sum() < (values > 0).sum()
    np.testing.assert_array_equal(shown.layer(0).data, expected)
    session.opacity = 0.3
    assert shown.layer(0).opacity == 0.3
    session.heat_shown = False
    assert shown.layer(0).opacity == 0
    session.choose(41)
    assert shown.layer(0).opacity == 0, "another concept stays hidden too"
    session.heat_shown = True
    assert shown.layer(0).opacity == 0.3
    session.choose(B)
    assert ((shown.layer(0).data == 0) | (shown.layer(0).data > session.threshold)).all()
    session.threshold = 0
    np.testing.assert_array_equal(shown.layer(0).data, scene.heat(B).values)


def test_it_follows_the_picture(shown, session, viewer):
    below, over = viewer.layers["smear"], shown.layer(0)
    below.scale, below.translate, below.rotate = (3, 2), (-5, 40), 30
    below.affine = [[1, 0.1, 3], [0, 1, 4], [0, 0, 1]]
    below.units = ("um", "um")
    for point in ((0, 0), (89, 129)):
        np.testing.assert_allclose(over.data_to_world(point), below.data_to_world(point))
    assert over.units == below.units
    below.name = "case 12"
    assert over.name == f"candidate concept {A} on case 12"
    session.annotate([A], name="granules")
    assert over.name == f"granules ({A}) on case 12"


@pytest.mark.parametrize("how", ["remove", "clear", "selected", "replace", "data", "delete"])
def test_without_its_picture_nothing_is_left(shown, session, viewer, qapp, picture, how):
    session.choose(B, 1)
    below = viewer.layers["smear"]
    if how == "remove":
        viewer.layers.remove(below)
    elif how == "clear":
        viewer.layers.clear()
    elif how == "selected":
        viewer.layers.selection.update(viewer.layers[:])
        viewer.layers.remove_selected()
    elif how == "replace":
        viewer.layers[0] = Image(picture, rgb=True)
    elif how == "data":
        below.data = picture[::-1]
    else:
        del viewer.layers[0]
    assert session.scene is None
    assert shown.picture is None
    settle(qapp)
    assert [layer for layer in viewer.layers if layer.name.startswith(("A:", "B:"))] == []
    assert session.latent(0) in (A, None)


def test_a_heat_map_that_is_removed_is_not_asked_for_any_more(shown, session, viewer):
    viewer.layers.remove(shown.layer(0))
    assert session.latent(0) is None
    session.choose(A)
    assert shown.layer(0) in viewer.layers


def test_another_atlas_shows_nothing(shown, session, viewer, qapp, explorer, atlas):
    session.set_source(explorer, atlas)
    settle(qapp)
    assert [layer.name for layer in viewer.layers] == ["smear"]


def test_a_scene_of_another_shape_is_not_laid_over(shown, session, explorer, viewer):
    session.set_scene(analyse(explorer, MemoryField(np.full((40, 50, 3), 200, np.uint8)), "cell"))
    assert shown.layer(0) is None and len(viewer.layers) == 1


def test_a_slice_of_a_time_series_carries_its_own(qapp, viewer, session, explorer, picture):
    movie = viewer.add_image(np.stack([picture, picture[::-1]]), rgb=True, scale=(2, 1, 3))
    viewer.dims.set_point(0, 2)
    found = picture_of(movie, viewer.dims)
    heats = HeatLayers(viewer, session)
    heats.start()
    heats.show_on(found)
    session.set_scene(analyse(explorer, found.field, "cell"))
    session.choose(A)
    layer = heats.layer(0)
    assert layer.data.shape == (1, 4, 4)
    np.testing.assert_allclose(layer.data_to_world((0, -0.5, -0.5)), movie.data_to_world((1, -0.5, -0.5)))
    np.testing.assert_allclose(layer.data_to_world((0, 3.5, 3.5)), movie.data_to_world((1, 89.5, 129.5)))
    heats.stop()


def test_started_and_stopped_twenty_times_nothing_is_left(shown, session, viewer):
    below = viewer.layers["smear"]
    emitters = [viewer.layers.events.removed, viewer.layers.events.changed, below.events.scale, below.events.data]
    emitters += [below.events.name]
    signals = [session.scene_changed, session.latent_changed, session.view_changed, session.names_changed]

    def connected():
        return [len(emitter.callbacks) for emitter in emitters] + [len(signal) for signal in signals]

    shown.stop()
    before = connected()
    for _ in range(20):
        shown.start()
        assert len(viewer.layers) == 2
        shown.stop()
        assert len(viewer.layers) == 1
    assert connected() == before
    session.choose(B)
    session.threshold = 0.5
    below.scale = (1, 1)
    assert len(viewer.layers) == 1
    shown.start()
    assert shown.layer(0).name.startswith(f"candidate concept {B}")


def test_removed_while_stopped_nothing_is_shown_on_it(shown, session, viewer):
    shown.stop()
    viewer.layers.clear()
    shown.start()
    assert session.scene is None and len(viewer.layers) == 0


def test_nothing_holds_the_viewer(qapp, session, scene, picture):
    from napari.components import ViewerModel

    def closed():
        viewer = ViewerModel()
        heats = HeatLayers(viewer, session)
        heats.start()
        heats.show_on(picture_of(viewer.add_image(picture)))
        session.set_scene(scene)
        session.choose(A)
        heats.stop()
        session.set_scene(None)
        return weakref.ref(viewer)

    gone = closed()
    settle(qapp)
    gc.collect()
    assert gone() is None


def test_importing_it_needs_no_torch():
    code = (
        "import sys, napari_cytosae._overlay, napari_cytosae._hover, napari_cytosae._pixels, napari_cytosae._colorbar"
    )
    done = subprocess.run([sys.executable, "-c", code + "; assert 'torch' not in sys.modules"], check=False)
    assert done.returncode == 0
