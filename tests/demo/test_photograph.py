from dataclasses import replace

import numpy as np
import pytest

from cytosae_toolkit.demo.canvas import Canvas, View
from cytosae_toolkit.demo.laboratories import find_laboratory
from cytosae_toolkit.demo.photograph import expose

LAB = replace(find_laboratory("pearl"), blur=0.0, noise=0.0, gradient=0.0, gamma=1.0)


def _canvas():
    canvas = Canvas(View(32, 32, 4.0))
    canvas.pigments[3, :, 16:] = 1.0
    return canvas


def _image(lab, planted=()):
    return expose(_canvas(), lab, np.random.default_rng(0), planted).astype(float)


def test_beer_lambert():
    image = _image(LAB)
    expected = np.array(LAB.background) * np.exp(-LAB.optical_density()[3])
    assert image[16, 28] == pytest.approx(expected, rel=0.04)
    assert image[16, 3] == pytest.approx(LAB.background, rel=0.04)


def test_blur_softens_edges_and_noise_roughens_areas():
    sharp, soft = _image(LAB), _image(replace(LAB, blur=0.5))
    step = [np.abs(np.diff(i[:, :, 1], axis=1)).max() for i in (sharp, soft)]
    assert step[1] < 0.6 * step[0]
    assert _image(replace(LAB, noise=5.0))[:, :8].std(axis=(0, 1)).mean() > 3


def test_gradient_darkens_one_side():
    sides = _image(replace(LAB, gradient=0.4))[:, :14, 1]
    assert np.ptp(sides.mean(1)) + np.ptp(sides.mean(0)) > 2 * np.ptp(_image(LAB)[:, :14, 1].mean(1))


def test_faults_reach_the_picture():
    assert _image(LAB, ("bright",))[16, 28].sum() > _image(LAB)[16, 28].sum()
