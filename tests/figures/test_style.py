from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.figures.style import alpha_ramp, figure_style, highlight, new_figure, save_figure


def figure():
    with figure_style():
        made = new_figure(3, 2)
        made.subplots().plot([1, 2], [3, 4])
    return made


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_a_figure_is_saved_with_its_numbers(tmp_path, suffix, magic):
    numbers = pd.DataFrame({"step": [1, 2], "loss": [0.123456789, 4.0]})
    files = save_figure(figure(), tmp_path / "new" / f"curves{suffix}", numbers)
    assert [file.name for file in files] == [f"curves{suffix}", "curves.csv"]
    assert files[0].read_bytes().startswith(magic)
    assert files[1].read_text() == "step,loss\n1,0.123457\n2,4\n"


def test_without_numbers_there_is_no_table(tmp_path):
    assert save_figure(figure(), tmp_path / "a.PNG") == [tmp_path / "a.PNG"]
    assert Image.open(tmp_path / "a.PNG").size == (450, 300)


@pytest.mark.parametrize("name", ["curves.jpg", "curves", "curves.csv"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(CytosaeError, match=r"no suffix of a figure.*\.png, \.pdf, \.svg"):
        save_figure(figure(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_look_stays_within_the_figure():
    before = dict(mpl.rcParams)
    with figure_style():
        assert not mpl.rcParams["axes.spines.top"]
    assert dict(mpl.rcParams) == before


def test_no_window_is_opened():
    import sys

    figure()
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_the_ramp_grows_from_clear_to_almost_opaque():
    ramp = alpha_ramp()
    assert ramp(0.0)[3] == 0
    assert ramp(1.0)[3] == pytest.approx(0.85)


def test_silent_patches_fade_and_the_strongest_stay_as_they_are():
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    image[..., 0] = 200
    boxes = np.array([[0, 0, 2, 4], [2, 0, 3, 4], [3, 0, 4, 4]], dtype=float)
    found = highlight(image, np.array([1.0, 0.25, 0.0]), boxes)
    np.testing.assert_array_equal(found[:, :2], image[:, :2])
    weak, silent = found[0, 2], found[0, 3]
    assert len(set(silent.tolist())) == 1  # grey
    assert silent[0] > 190
    assert weak[0] - weak[1] > 50  # red still, between both
    assert found.dtype == np.uint8
