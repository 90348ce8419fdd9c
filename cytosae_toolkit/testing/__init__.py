"""Conformance suites: whether a plugin's backbone, SAE variant or aggregator keeps its contract.

A plugin author inherits them in the plugin's own tests (pytest is needed for this only)::

    from cytosae_toolkit.testing import SAEConformance

    class TestJumpReLU(SAEConformance):
        def create(self, d_model, d_sae):
            return JumpReLU(d_model, d_sae, JumpReLUOptions())

The same checks run without pytest by ``cytosae-toolkit plugins check NAME``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cytosae_toolkit.testing.aggregator import AGGREGATOR_CHECKS
    from cytosae_toolkit.testing.backbone import BACKBONE_CHECKS
    from cytosae_toolkit.testing.checks import Check, ConformanceError, NotApplicable, Outcome, run_checks
    from cytosae_toolkit.testing.conformance import AggregatorConformance, BackboneConformance, SAEConformance
    from cytosae_toolkit.testing.parts import check_part
    from cytosae_toolkit.testing.sae import SAE_CHECKS

__all__ = [
    "AGGREGATOR_CHECKS",
    "AggregatorConformance",
    "BACKBONE_CHECKS",
    "BackboneConformance",
    "Check",
    "ConformanceError",
    "NotApplicable",
    "Outcome",
    "SAEConformance",
    "SAE_CHECKS",
    "check_part",
    "run_checks",
]

_HOMES = {
    "AGGREGATOR_CHECKS": "aggregator",
    "AggregatorConformance": "conformance",
    "BACKBONE_CHECKS": "backbone",
    "BackboneConformance": "conformance",
    "Check": "checks",
    "ConformanceError": "checks",
    "NotApplicable": "checks",
    "Outcome": "checks",
    "SAEConformance": "conformance",
    "SAE_CHECKS": "sae",
    "check_part": "parts",
    "run_checks": "checks",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
