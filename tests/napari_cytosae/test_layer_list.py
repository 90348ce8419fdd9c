from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_cytosae._hover import Hover
from napari_cytosae._layer_list import AID, insert_above, take_away, without_aids
from napari_cytosae._overlay import HeatLayers
from napari_cytosae._pixels import picture_of

GONE = "wrapped C/C++ object of type QtLayerList has been deleted"


def breaks(viewer, message):
    """Let a widget of the window complain of each layer that is removed."""

    def complain(event):
        raise RuntimeError(message)

    viewer.layers.events.removing.connect(complain)


def test_a_layer_comes_above_another_and_what_is_selected_stays(viewer):
    below, chosen = viewer.add_image(np.zeros((4, 4))), viewer.add_image(np.zeros((4, 4)))
    new = Image(np.zeros((4, 4)))
    insert_above(viewer, below, new)
    assert list(viewer.layers) == [below, new, chosen]
    assert viewer.layers.selection.active is chosen


def test_what_is_not_there_need_not_go(viewer):
    layer = viewer.add_image(np.zeros((4, 4)))
    take_away(viewer, layer)
    take_away(viewer, layer)
    take_away(viewer, None)
    assert len(viewer.layers) == 0


@pytest.mark.parametrize(("message", "raised"), [(GONE, False), ("Internal C++ object already deleted.", False),
                                                 ("something else", True)])  # fmt: skip
def test_only_widgets_that_are_gone_may_complain(viewer, message, raised):
    layer = viewer.add_image(np.zeros((4, 4)))
    breaks(viewer, message)
    if raised:
        with pytest.raises(RuntimeError, match=message):
            take_away(viewer, layer)
    else:
        take_away(viewer, layer)


def test_heat_maps_and_outlines_stop_though_the_window_is_gone(qapp, viewer, session, cell_scene, picture):
    layer = viewer.add_image(picture, rgb=True)
    heat, hover = HeatLayers(viewer, session), Hover(viewer, session)
    for follower in (heat, hover):
        follower.start()
        follower.show_on(picture_of(layer))
    session.set_scene(cell_scene)
    session.choose(93)
    session.spot = cell_scene.locate(60, 50)
    assert len(viewer.layers) == 3
    breaks(viewer, GONE)
    hover.stop()
    heat.stop()
    session.choose(90)
    assert heat.layer(0) is None and hover.outlines is None


def test_what_helps_on_the_screen_is_hidden_for_a_while_and_shown_again(viewer, picture):
    kept, helps, hidden = viewer.add_image(picture), viewer.add_shapes(), viewer.add_shapes(visible=False)
    helps.metadata[AID] = hidden.metadata[AID] = True
    helps.mode = "add_rectangle"
    with pytest.raises(OSError, match="full"), without_aids(viewer):
        assert [layer.visible for layer in (kept, helps, hidden)] == [True, False, False]
        raise OSError("full")
    assert [layer.visible for layer in (kept, helps, hidden)] == [True, True, False]
    assert helps.mode == "add_rectangle"
