from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.figures.references import LatentRow, reference_montage
from cytosae_toolkit.figures.style import save_figure

BOXES = np.array([[0, 0, 4, 8], [4, 0, 8, 8]], dtype=float)


def row(n_images: int = 2, strength: float = 1.0) -> LatentRow:
    images = [np.full((8, 8, 3), 60 * (i + 1), dtype=np.uint8) for i in range(n_images)]
    heatmaps = [strength * np.array([1.0 / (i + 1), 0.0]) for i in range(n_images)]
    return LatentRow("latent 417", "share inside 0.9\nrecall 0.5", images, heatmaps, [BOXES] * n_images)


def shown(axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


def test_each_image_stands_beside_what_the_latent_sees():
    figure = reference_montage([row()], title="Clearest latents", footer="generated smears")
    text, first, first_seen, second, second_seen = figure.axes
    assert [part.get_text() for part in text.texts] == ["latent 417", "share inside 0.9\nrecall 0.5"]
    assert (shown(first) == 60).all()
    assert (shown(first_seen)[:, :4] == 60).all()  # the strongest patch as it is
    assert (shown(first_seen)[:, 4:] > 150).all()  # a silent one faded
    assert (shown(second) == 120).all()
    assert 120 < shown(second_seen)[0, 0, 0] < shown(second_seen)[0, 7, 0]  # half as strong, on the latent's scale
    assert figure.get_suptitle() == "Clearest latents"
    assert figure.get_supxlabel() == "generated smears"


def test_the_scale_is_each_latents_own():
    weak, strong = (reference_montage([row(strength=s)]).axes[2] for s in (1e-4, 100.0))
    np.testing.assert_array_equal(shown(weak), shown(strong))


def test_rows_may_have_fewer_images_or_none_and_silent_latents_draw(tmp_path):
    figure = reference_montage([row(3), row(1), row(0), row(2, strength=0.0)])
    assert len(figure.axes) == 4 * 7
    files = save_figure(figure, tmp_path / "montage.png")
    assert files[0].stat().st_size > 1000


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_it_saves_as_vectors_too(tmp_path, suffix):
    assert save_figure(reference_montage([row()]), tmp_path / f"m.{suffix}")[0].stat().st_size > 1000
