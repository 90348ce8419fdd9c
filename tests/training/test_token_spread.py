from __future__ import annotations

import numpy as np
import torch

from cytosae_toolkit.training.token_spread import TokenSpread


def test_the_spread_is_mean_and_dominant_dimensions(view):
    spread = TokenSpread.of_images(view, np.arange(60))
    expected = view.values.astype(np.float64).reshape(-1, 6).mean(axis=0)
    np.testing.assert_allclose(spread.mean, expected, rtol=1e-12)
    assert spread.excluded == ()
    view.values[:, :, 4] *= 50
    assert TokenSpread.of_images(view, np.arange(60)).excluded == (4,)


def test_a_perfect_reconstruction_and_an_image_at_the_mean():
    spread, x = TokenSpread((1.0, 2.0), ()), torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    assert spread.fvu(x, x + 1) == 0.0
    assert spread.fvu(x + 1, x + 1) == 0.0
    assert spread.fvu(x + 1, x) == 1.0
