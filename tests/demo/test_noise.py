import numpy as np

from cytosae_toolkit.demo.noise import random_offset, smooth_noise


def _grid(n=200, step=0.1):
    line = np.arange(n, dtype=np.float32) * np.float32(step)
    return np.meshgrid(line, line)


def test_noise_has_zero_mean_unit_variance_and_is_smooth():
    x, y = _grid(400)
    noise = smooth_noise(x, y, 0.8, (3.0, 5.0))
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.2 and 0.7 < noise.std() < 1.2
    assert np.abs(np.diff(noise, axis=1)).max() < 1.0


def test_noise_moves_with_the_points():
    x, y = _grid(50)
    whole = smooth_noise(x, y, 1.0, (1.0, 2.0))
    assert np.array_equal(whole[10:20, 5:9], smooth_noise(x[10:20, 5:9], y[10:20, 5:9], 1.0, (1.0, 2.0)))


def test_another_offset_is_another_texture():
    x, y = _grid(200)
    a, b = (smooth_noise(x, y, 1.0, random_offset(np.random.default_rng(s))) for s in (0, 1))
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.5
