from __future__ import annotations

import pytest

from cytosae_toolkit.cohort.classify_options import ClassifyOptions, parse_strength
from cytosae_toolkit.errors import CytosaeError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds is 1: 2 is the least"),
        ({"repeats": 0}, "repeats is 0"),
        ({"scale": "standardized"}, "Did you mean standardised"),
        ({"strength": "patient"}, "'patient' is no strength"),
        ({"strength": -1.0}, "-1 is not a positive number"),
        ({"thresholds": (0.0, -1.0)}, "must ascend"),
        ({"features": ("colors",)}, "Did you mean colour"),
    ],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(CytosaeError, match=message):
        ClassifyOptions(**options)


def test_a_strength_is_a_rule_or_a_number():
    assert (parse_strength("2.5"), parse_strength("features")) == (2.5, "features")
    assert ClassifyOptions(strength=0.1).settings.strength == 0.1
