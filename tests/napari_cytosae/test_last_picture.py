from __future__ import annotations

import numpy as np
import pytest
from npe2 import PluginManager
from skimage.io import imsave

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae import _kept
from napari_cytosae._last_picture import last_picture, remember_picture


@pytest.fixture
def smear(viewer, tmp_path):
    """A layer that came from a file."""
    PluginManager.instance().discover()
    imsave(tmp_path / "smear.png", np.full((40, 50, 3), 200, dtype=np.uint8), check_contrast=False)
    return viewer.open(str(tmp_path / "smear.png"), plugin="napari")[0]


def test_it_is_opened_again_once(viewer, smear, tmp_path):
    remember_picture(smear, tmp_path, "cell")
    viewer.layers.clear()
    last = last_picture()
    assert (last.latents, last.regions) == ((), {})
    assert (last.picture, last.source, last.kind) == (tmp_path / "smear.png", tmp_path, "cell")
    last.show_in(viewer)
    viewer.add_image(np.zeros((9, 9)))
    last.show_in(viewer)
    assert len(viewer.layers) == 2
    assert viewer.layers.selection.active is viewer.layers["smear"]


def test_what_is_gone_is_not_offered(viewer, smear, tmp_path):
    assert last_picture() is None
    source = tmp_path / "a.atlas.zarr"
    source.mkdir()
    remember_picture(smear, source, "cell")
    assert last_picture() is not None
    source.rmdir()
    assert last_picture() is None


def test_what_came_from_no_file_is_passed_over(viewer, smear, tmp_path):
    remember_picture(smear, tmp_path, "cell")
    remember_picture(viewer.add_image(np.zeros((9, 9))), tmp_path, "cell")
    remember_picture(smear, None, "cell")
    assert last_picture().picture.name == "smear.png"


def test_what_cannot_be_opened_any_more_is_a_sentence(viewer, smear, tmp_path):
    remember_picture(smear, tmp_path, "cell")
    viewer.layers.clear()
    (tmp_path / "smear.png").write_text("no picture")
    with pytest.raises(CytosaeError, match="smear.png could not be opened again"):
        last_picture().show_in(viewer)


def test_a_damaged_record_is_none(tmp_path):
    _kept.remember_picture({"picture": "x"})
    assert last_picture() is None


def test_concepts_and_regions_are_kept_and_damaged_ones_are_left_out(smear, tmp_path):
    regions = {"A": [("polygon", [[1.0, 2.0], [3.0, 4.0], [5.0, 1.0]])]}
    remember_picture(smear, tmp_path, "cell", (7, None), regions)
    assert (last_picture().latents, last_picture().regions) == ((7, None), regions)
    _kept.remember_picture(_kept.picture() | {"latents": "7", "regions": {"A": [["polygon", "corners"]]}})
    assert (last_picture().latents, last_picture().regions) == ((), {})
