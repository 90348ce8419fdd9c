"""The aggregator's suite finds mistakes; each mutant breaks one promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cytosae_patch_aggregators.aggregators import Max, Mean, Sum

from cytosae_toolkit.interfaces.aggregator import Aggregator
from cytosae_toolkit.testing import AGGREGATOR_CHECKS, run_checks


def failures(aggregator: Aggregator) -> set[str]:
    return {o.name for o in run_checks(AGGREGATOR_CHECKS, lambda: aggregator) if o.state == "failed"}


class DoublePrecision(Max):
    def result(self, state: Any) -> Any:
        return state.astype(np.float64)


class DividesByZero(Mean):
    def result(self, state: Sum) -> Any:
        with np.errstate(invalid="ignore"):
            return (state.total / state.n_patches).astype(np.float32)


class MeanOfMeans(Mean):
    def merge(self, a: Sum, b: Sum) -> Sum:
        return Sum((a.total / a.n_patches + b.total / b.n_patches) / 2, 1)


class LastPartOnly(Max):
    def update(self, state: Any, activations: Any, image: Any) -> Any:
        return super().update(self.init(len(state)), activations, image)


class DenseOnly(Max):
    def update(self, state: Any, activations: Any, image: Any) -> Any:
        if not isinstance(activations, np.ndarray):
            return state
        return super().update(state, activations, image)


class Scribbles(Max):
    def update(self, state: Any, activations: Any, image: Any) -> Any:
        if isinstance(activations, np.ndarray):
            activations *= 2
        return super().update(state, activations, image)


class Remembers(Max):
    seen = 0.0

    def result(self, state: Any) -> Any:
        self.seen += 1
        return super().result(state) + np.float32(self.seen) * (state > 0)


class CombinesBySum(Max):
    def combine(self, values: Any) -> Any:
        return np.asarray(values, np.float64).sum(axis=0)


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (DoublePrecision, "the result is float32, one value per latent"),
        (DividesByZero, "no patches give zeros"),
        (MeanOfMeans, "merge does not depend on order or grouping"),
        (LastPartOnly, "feeding parts equals feeding the whole"),
        (DenseOnly, "dense and CSR activations give the same"),
        (Scribbles, "the activations are left as they are"),
        (Remembers, "two images do not mix"),
        (CombinesBySum, "combine gives one finite value per latent and keeps equal images"),
    ],
)
def test_a_mistake_is_found(mutant: type[Aggregator], promise: str) -> None:
    assert promise in failures(mutant())


def test_good_aggregators_pass() -> None:
    assert not failures(Max()) and not failures(Mean())
