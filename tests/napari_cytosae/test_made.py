import pytest
from qtpy.QtWidgets import QLabel

from napari_cytosae._made import made


def test_properties_are_set(qapp):
    label = made(QLabel("x"), toolTip="what", wordWrap=True)
    assert (label.text(), label.toolTip(), label.wordWrap()) == ("x", "what", True)


def test_a_property_that_does_not_exist_is_refused(qapp):
    with pytest.raises(AttributeError, match="QLabel has no property wordwrap"):
        made(QLabel(), wordwrap=True)
