import numpy as np
import pytest

from cytosae_toolkit.demo.cell_classes import CELL_CLASSES
from cytosae_toolkit.demo.laboratories import LABORATORIES
from cytosae_toolkit.demo.patients import DISEASES, sample_mixture, sample_patients
from cytosae_toolkit.errors import CytosaeError


def _patients(n=50, confounding=0.0, diseases=tuple(DISEASES)):
    rng = np.random.default_rng(0)
    return sample_patients(n, rng, diseases=diseases, laboratories=tuple(LABORATORIES), confounding=confounding)


def test_five_diseases_with_shares_that_add_up():
    assert len(DISEASES) == 5
    for mixture in DISEASES.values():
        assert sum(mixture.values()) == pytest.approx(1) and set(mixture) <= set(CELL_CLASSES)


def test_atypical_promyelocytes_are_typical_of_aml_m3_alone():
    assert [d for d, mixture in DISEASES.items() if "atypical_promyelocyte" in mixture] == ["aml_m3"]


def test_mixtures_vary_around_the_groups():
    drawn = np.array([sample_mixture("cll", np.random.default_rng(s)) for s in range(200)])
    typical = [DISEASES["cll"].get(c, 0.0) for c in CELL_CLASSES]
    assert drawn.sum(1) == pytest.approx(1)
    assert drawn.mean(0) == pytest.approx(typical, abs=0.03)
    assert drawn[:, CELL_CLASSES.index("lymphocyte")].std() > 0.03


def test_laboratories_are_balanced_within_every_disease():
    patients = _patients()
    for disease in DISEASES:
        labs = [p.laboratory for p in patients if p.disease == disease]
        assert sorted(labs) == sorted([*LABORATORIES] * 2)


def test_confounding_ties_laboratory_to_disease():
    tied = {(p.disease, p.laboratory) for p in _patients(confounding=1.0)}
    assert len(tied) == len(DISEASES)
    assert len({(p.disease, p.laboratory) for p in _patients(confounding=0.5)}) > len(DISEASES)


def test_unknown_disease_offers_the_nearest():
    with pytest.raises(CytosaeError, match="eosinophilia"):
        _patients(diseases=("eosinofilia",))
