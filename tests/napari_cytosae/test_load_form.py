from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_cytosae._load_form import LoadForm, boxes_of, is_field, is_image, is_shapes
from napari_cytosae._pixels import picture_of


@pytest.fixture
def form(qtbot, viewer, session, micrometres):
    form = LoadForm(viewer, session)
    qtbot.addWidget(form)
    form.show()
    return form


def test_the_active_image_is_chosen(form, viewer, picture):
    assert form.layer is viewer.layers["smear"]
    other = viewer.add_image(picture[:64, :64], name="other", rgb=True)
    assert form.layer is other
    viewer.layers.selection.active = viewer.layers["smear"]
    assert form.layer is viewer.layers["smear"]
    viewer.layers.remove(other)
    assert [form.image.itemText(i) for i in range(form.image.count())] == ["smear"]


def test_a_layer_that_is_renamed_or_replaced_is_listed(form, viewer, picture):
    viewer.layers["smear"].name = "blood"
    assert form.image.itemText(0) == "blood"
    viewer.layers[0] = Image(picture, rgb=True, name="marrow")
    assert [form.image.itemText(i) for i in range(form.image.count())] == ["marrow"]


def test_how_to_read_that_was_chosen_stays_when_the_form_is_shown_again(form):
    form.read_as("windows")
    form.hide()
    form.show()
    assert form.kind.currentData() == "windows"


def test_lines_are_no_boxes(viewer, picture):
    image = viewer.add_image(picture, rgb=True)
    shapes = viewer.add_shapes()
    shapes.add_lines(np.array([[0, 0], [5, 5]]))
    assert boxes_of(picture_of(image), shapes) == []


def test_what_looks_like_a_field_depends_on_the_training_images(explorer):
    longest = explorer.image_fit.side[1]
    assert not is_field((30, int(longest * 1.4)), explorer)
    assert is_field((30, int(longest * 1.6)), explorer)
    assert not is_field((600, 600), None)
    assert is_field((601, 20), None)


def test_heat_maps_and_own_lines_are_not_offered(viewer, picture):
    from napari_cytosae._overlay import alpha_ramp

    assert is_image(viewer.add_image(picture, rgb=True))
    assert is_image(viewer.add_image(picture[..., 0]))
    assert not is_image(viewer.add_image(picture[..., 0], colormap=alpha_ramp("#E69F00", "cytosae A")))
    assert not is_image(viewer.add_labels(picture[..., 0].astype(int)))


def test_shapes_of_any_name_may_be_boxes_but_the_line_across_a_red_cell(form, viewer):
    assert is_shapes(viewer.add_shapes(name="patch"))
    assert is_shapes(viewer.add_shapes(name="red cell (draw across)"))
    form.scale.start_line()
    line = viewer.layers.selection.active
    line.name = "anything"
    assert not is_shapes(line)
    assert [form.shapes.itemText(i) for i in range(form.shapes.count())] == ["red cell (draw across)", "patch"]
