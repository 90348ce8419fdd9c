"""Checks of the aggregator's contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.interfaces.aggregator import Activations, Aggregator, ImageContext
from cytosae_toolkit.testing.checks import Checks, require

AggregatorSubject = Callable[[], Aggregator]
"""Makes the aggregator under test."""

D_SAE = 12
GRID = (4, 6)
IMAGE = ImageContext(grid=GRID, row=3)

_checks: Checks[AggregatorSubject] = Checks()
AGGREGATOR_CHECKS = _checks.all


def activations(n_patches: int = 24, seed: int = 0) -> NDArray[np.float32]:
    """Return sparse synthetic activations, float32 [n_patches, D_SAE]; latent 0 never fires."""
    random = np.random.default_rng(seed)
    shape = (n_patches, D_SAE)
    values = random.exponential(0.5, shape) * (random.random(shape) < 0.3)
    values[:, 0] = 0
    return values.astype(np.float32)


def _result(aggregator: Aggregator, *parts: Activations) -> NDArray[np.float32]:
    state: Any = aggregator.init(D_SAE)
    for part in parts:
        state = aggregator.update(state, part, IMAGE)
    return aggregator.result(state)


def _state(aggregator: Aggregator, part: Activations) -> Any:
    return aggregator.update(aggregator.init(D_SAE), part, IMAGE)


def _require_equal(found: NDArray[Any], expected: NDArray[Any], what: str) -> None:
    require(
        found.shape == expected.shape and np.allclose(found, expected, rtol=1e-5, atol=1e-6),
        f"{what}: largest difference {np.abs(found - expected).max():.3g}"
        if found.shape == expected.shape
        else f"{what}: shapes {found.shape} and {expected.shape}",
    )


@_checks.add("the result is float32, one value per latent")
def _shape(create: AggregatorSubject) -> None:
    found = _result(create(), activations())
    require(isinstance(found, np.ndarray), f"result() returns a {type(found).__name__}, not a NumPy array")
    require(found.shape == (D_SAE,), f"result() has shape {found.shape} instead of ({D_SAE},)")
    require(found.dtype == np.float32, f"result() is {found.dtype} instead of float32")
    require(np.isfinite(found).all(), "result() is not finite")


@_checks.add("a latent that never fires has the value 0")
def _silent(create: AggregatorSubject) -> None:
    require(_result(create(), activations())[0] == 0, "a latent that never fires has another value than 0")


@_checks.add("feeding parts equals feeding the whole")
def _parts(create: AggregatorSubject) -> None:
    aggregator, values = create(), activations()
    whole = _result(aggregator, values)
    for cuts in ([1], [12], [5, 6, 20]):
        parts = np.split(values, cuts)
        _require_equal(_result(aggregator, *parts), whole, f"fed in {len(parts)} parts")


@_checks.add("dense and CSR activations give the same")
def _sparse(create: AggregatorSubject) -> None:
    aggregator, values = create(), activations()
    csr = sparse.csr_array(values)
    _require_equal(_result(aggregator, csr), _result(aggregator, values), "CSR against dense")
    rows, columns = np.indices(values.shape)
    stored = sparse.csr_array((values.ravel(), (rows.ravel(), columns.ravel())), shape=values.shape)
    _require_equal(_result(aggregator, stored), _result(aggregator, values), "CSR with stored zeros")


@_checks.add("merge does not depend on order or grouping")
def _merge(create: AggregatorSubject) -> None:
    aggregator = create()
    a, b, c = np.split(activations(), [7, 15])

    def state(part: Activations) -> Any:
        return _state(aggregator, part)

    whole = _result(aggregator, a, b, c)
    left = aggregator.merge(aggregator.merge(state(a), state(b)), state(c))
    right = aggregator.merge(state(a), aggregator.merge(state(b), state(c)))
    swapped = aggregator.merge(aggregator.merge(state(c), state(b)), state(a))
    for merged, what in (
        (left, "merge(merge(a, b), c)"),
        (right, "merge(a, merge(b, c))"),
        (swapped, "swapped"),
    ):
        _require_equal(aggregator.result(merged), whole, what)


@_checks.add("an empty state merges without a trace")
def _merge_empty(create: AggregatorSubject) -> None:
    aggregator, values = create(), activations()
    whole = _result(aggregator, values)
    merged = aggregator.merge(aggregator.init(D_SAE), _state(aggregator, values))
    _require_equal(aggregator.result(merged), whole, "merged with an empty state")


@_checks.add("no patches give zeros")
def _empty(create: AggregatorSubject) -> None:
    aggregator, zeros = create(), np.zeros(D_SAE, np.float32)
    _require_equal(_result(aggregator), zeros, "result() of the empty state")
    nothing = np.empty((0, D_SAE), np.float32)
    _require_equal(_result(aggregator, nothing), zeros, "result() after 0 patches")
    _require_equal(_result(aggregator, sparse.csr_array(nothing)), zeros, "result() after 0 patches in CSR")


@_checks.add("the activations are left as they are")
def _untouched(create: AggregatorSubject) -> None:
    values = activations()
    _result(create(), values)
    require(np.array_equal(values, activations()), "update() changes the activations that it was given")


@_checks.add("two images do not mix")
def _independent(create: AggregatorSubject) -> None:
    aggregator = create()
    first, second = activations(seed=1), activations(seed=2)
    alone = _result(aggregator, second)
    _result(aggregator, first)
    _require_equal(_result(aggregator, second), alone, "after another image")


@_checks.add("combine gives one finite value per latent and keeps equal images")
def _combine(create: AggregatorSubject) -> None:
    aggregator = create()
    values = np.stack([_result(aggregator, activations(seed=seed)) for seed in range(3)])
    found = aggregator.combine(values)
    require(found.shape == (D_SAE,), f"combine() has shape {found.shape} instead of ({D_SAE},)")
    require(found.dtype == np.float64, f"combine() is {found.dtype} instead of float64")
    require(np.isfinite(found).all(), "combine() is not finite")
    same = aggregator.combine(np.stack([values[0]] * 3))
    _require_equal(same, values[0].astype(np.float64), "combine() of three equal images")
