from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.figures.similar import COLUMNS, similar_images
from cytosae_toolkit.figures.style import save_figure

IMAGE = np.full((8, 8, 3), 200, dtype=np.uint8)


@pytest.mark.parametrize("n", [1, COLUMNS + 2])
def test_similar_images_stand_behind_the_image_with_label_and_file(n, tmp_path):
    captions = [(0.91, "atypical_blast", f"cell-{i}.png") for i in range(n)]
    figure = similar_images(IMAGE, "mine.png", [IMAGE // 2] * n, captions)
    filled = [axis for axis in figure.axes if axis.images]
    assert len(filled) == n + 1
    assert [text.get_text() for text in filled[0].texts] == ["mine.png"]
    assert [text.get_text() for text in filled[-1].texts] == [f"0.91 atypical blast\ncell-{n - 1}.png"]
    assert save_figure(figure, tmp_path / "a.png")[0].stat().st_size > 1000
