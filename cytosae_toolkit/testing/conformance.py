"""The conformance suites as pytest classes that a plugin's tests inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cytosae_toolkit.testing.aggregator import AGGREGATOR_CHECKS
from cytosae_toolkit.testing.backbone import BACKBONE_CHECKS, BackboneSubject
from cytosae_toolkit.testing.checks import Check, NotApplicable, S
from cytosae_toolkit.testing.sae import SAE_CHECKS, SAESubject

if TYPE_CHECKING:
    from cytosae_toolkit.interfaces.aggregator import Aggregator
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.interfaces.sae import SparseAutoencoder
    from cytosae_toolkit.testing.aggregator import AggregatorSubject


def _run(check: Check[S], subject: S) -> None:
    try:
        check(subject)
    except NotApplicable as reason:
        pytest.skip(str(reason))


def _names(checks: list[Check[S]]) -> list[str]:
    return [check.name.replace(" ", "-") for check in checks]


class BackboneConformance:
    """Inherit and override `create`; the class's name must start with ``Test``."""

    def create(self) -> Backbone:
        """Return the backbone on the CPU; called more than once, equal each time."""
        raise NotImplementedError("override create()")

    @pytest.fixture(scope="class")
    def subject(self) -> BackboneSubject:
        """Keep one instance for all checks."""
        return BackboneSubject(self.create)

    @pytest.mark.parametrize("check", BACKBONE_CHECKS, ids=_names(BACKBONE_CHECKS))
    def test_contract(self, subject: BackboneSubject, check: Check[BackboneSubject]) -> None:
        """Run one check."""
        _run(check, subject)


class SAEConformance:
    """Inherit and override `create`; the class's name must start with ``Test``.

    Attributes
    ----------
    d_model, d_sae : int
        Sizes at which the variant is checked.
    """

    d_model = 32
    d_sae = 256

    def create(self, d_model: int, d_sae: int) -> SparseAutoencoder:
        """Return an untrained SAE of these sizes; called more than once."""
        raise NotImplementedError("override create()")

    @pytest.mark.parametrize("check", SAE_CHECKS, ids=_names(SAE_CHECKS))
    def test_contract(self, check: Check[SAESubject]) -> None:
        """Run one check."""
        _run(check, SAESubject(self.create, self.d_model, self.d_sae))


class AggregatorConformance:
    """Inherit and override `create`; the class's name must start with ``Test``."""

    def create(self) -> Aggregator:
        """Return the aggregator."""
        raise NotImplementedError("override create()")

    @pytest.mark.parametrize("check", AGGREGATOR_CHECKS, ids=_names(AGGREGATOR_CHECKS))
    def test_contract(self, check: Check[AggregatorSubject]) -> None:
        """Run one check."""
        _run(check, self.create)
