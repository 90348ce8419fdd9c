"""Count, maximum and mean of patches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cytosae_patch_aggregators.aggregators import Count, Max, Mean
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from cytosae_toolkit.interfaces.aggregator import Aggregator, ImageContext
from cytosae_toolkit.testing import AggregatorConformance

IMAGE = ImageContext(grid=(2, 2))
H = np.array([[0.0, 0.2, 0.5], [0.3, 0.0, 0.1], [0.0, 0.2, 0.9], [0.0, 0.0, 0.0]], dtype=np.float32)


def result(aggregator: Aggregator, activations: Any) -> list[float]:
    state = aggregator.update(aggregator.init(activations.shape[1]), activations, IMAGE)
    return aggregator.result(state).tolist()


class TestCount(AggregatorConformance):
    def create(self) -> Count:
        return Count()

    def test_the_comparison_with_the_threshold_is_strict(self) -> None:
        assert result(Count(0.2), H) == [1, 0, 2]
        assert result(Count(0.0), H) == [1, 2, 3]
        assert result(Count(0.5), H) == [0, 0, 1]

    def test_the_threshold_is_compared_in_single_precision(self) -> None:
        # float32(0.1) > 0.1 in double precision
        assert result(Count(0.1), np.full((1, 1), 0.1, np.float32)) == [0]


class TestMax(AggregatorConformance):
    def create(self) -> Max:
        return Max()

    def test_it_is_the_largest_activation(self) -> None:
        assert result(Max(), H) == pytest.approx([0.3, 0.2, 0.9])


class TestMean(AggregatorConformance):
    def create(self) -> Mean:
        return Mean()

    def test_it_is_the_mean_over_patches(self) -> None:
        assert result(Mean(), H) == pytest.approx([0.075, 0.1, 0.375])


ACTIVATIONS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.just(5)),
    elements=st.sampled_from([0.0, 0.0, 0.1, 0.2, 0.7, 3.5]).map(np.float32),
)


@pytest.mark.parametrize("aggregator", [Count(), Max(), Mean()], ids=lambda a: type(a).__name__)
@given(activations=ACTIVATIONS, cut=st.integers(0, 12))
def test_any_partition_dense_or_sparse_gives_the_same(
    aggregator: Aggregator, activations: np.ndarray, cut: int
) -> None:
    first, second = activations[:cut], sparse.csr_array(activations[cut:])
    a = aggregator.update(aggregator.init(5), first, IMAGE)
    b = aggregator.update(aggregator.init(5), second, IMAGE)
    whole = aggregator.result(aggregator.update(aggregator.init(5), activations, IMAGE))
    np.testing.assert_allclose(aggregator.result(aggregator.merge(a, b)), whole, rtol=1e-6)
