import numpy as np
import pytest
from PIL import Image

from cytosae_toolkit.demo.masks import MASKS, empty_masks, pack_masks, read_masks, unpack_masks, written
from cytosae_toolkit.errors import CytosaeError


def test_bit_order_is_as_documented():
    for bit, name in enumerate(MASKS):
        masks = empty_masks(2, 3)
        masks[name][1, 2] = True
        assert pack_masks(masks)[1, 2] == 1 << bit


def test_file_gives_back_the_masks(tmp_path):
    rng = np.random.default_rng(0)
    masks = {name: rng.random((9, 7)) < 0.5 for name in MASKS}
    Image.fromarray(pack_masks(masks)).save(tmp_path / "m.png")
    for found in (read_masks(tmp_path / "m.png"), unpack_masks(pack_masks(masks))):
        assert all(np.array_equal(found[name], masks[name]) for name in MASKS)


def test_bad_files_are_explained(tmp_path):
    with pytest.raises(CytosaeError, match="does not exist"):
        read_masks(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(CytosaeError, match="not a readable mask"):
        read_masks(tmp_path / "text.png")
    Image.new("RGB", (3, 3)).save(tmp_path / "rgb.png")
    with pytest.raises(CytosaeError, match="8-bit grey"):
        read_masks(tmp_path / "rgb.png")


def test_names_are_written_as_in_the_field():
    assert [written(name) for name in ("nucleus", "red_cells", "auer_rods")] == ["nucleus", "red cells", "Auer rods"]
