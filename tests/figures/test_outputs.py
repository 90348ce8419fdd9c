from __future__ import annotations

import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.figures.outputs import check_figure_path


def test_a_new_figure_is_welcome(tmp_path):
    check_figure_path(tmp_path / "a.PNG")


@pytest.mark.parametrize("taken", ["a.png", "a.csv"])
def test_neither_the_figure_nor_its_table_is_overwritten_unasked(tmp_path, taken):
    (tmp_path / taken).write_text("precious")
    with pytest.raises(CytosaeError, match=f"{taken} exists"):
        check_figure_path(tmp_path / "a.png")
    check_figure_path(tmp_path / "a.png", force=True)


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(CytosaeError, match="no suffix of a figure"):
        check_figure_path(tmp_path / "a.jpg", force=True)
