from __future__ import annotations

from cytosae_toolkit.atlas.card import definitions
from cytosae_toolkit.training.metrics import Metrics


def test_the_metrics_that_are_defined_exist():
    assert set(definitions.METRICS) <= set(Metrics.__dataclass_fields__)


def test_an_entry_has_formula_and_source():
    assert definitions.entry(("a = b", "somebody")) == {"formula": "a = b", "source": "somebody"}
