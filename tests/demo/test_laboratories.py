import numpy as np
import pytest

from cytosae_toolkit.demo.laboratories import LABORATORIES, PIGMENTS, find_laboratory, jitter
from cytosae_toolkit.errors import CytosaeError


def test_there_are_several_laboratories_with_visibly_different_stains():
    assert len(LABORATORIES) >= 4
    seen = [np.array(lab.background) * np.exp(-lab.optical_density() * 0.8) for lab in LABORATORIES.values()]
    for i, a in enumerate(seen):
        assert all(np.abs(a - b).max() > 10 for b in seen[:i])


def test_optical_density_is_positive_per_pigment_and_channel():
    for lab in LABORATORIES.values():
        assert lab.optical_density().shape == (len(PIGMENTS), 3)
        assert (lab.optical_density() > 0).all()


def test_jitter_varies_everything_but_the_name_and_none_leaves_it():
    lab = find_laboratory("amber")
    varied = jitter(lab, np.random.default_rng(0))
    assert varied.name == lab.name and varied.noise == lab.noise
    for attribute in ("gains", "shift", "background", "gamma", "blur", "gradient"):
        assert getattr(varied, attribute) != getattr(lab, attribute)
    still = jitter(lab, np.random.default_rng(0), amount=0.0)
    assert np.allclose(still.optical_density(), lab.optical_density())
    assert still.background == pytest.approx(lab.background)


def test_unknown_laboratory_offers_the_nearest():
    with pytest.raises(CytosaeError, match="amber"):
        find_laboratory("ambr")
