from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_toolkit.atlas.control import FlagLimits
from cytosae_toolkit.atlas.sampling import smallest_priorities
from cytosae_toolkit.atlas.statistics import HISTOGRAM_EDGES, histogram, mean_activation, summarise

from .dense import columns_of, dense_statistics
from .worlds import GRID, PREFIX, totals_of, world

EXACT = {"n_images", "n_groups", "n_references", "n_reference_patients", "n_reference_sets", "dominant_label"} | {
    "best_label",
    "set_auroc_set",
    "max_activation",
    "frequency",
}


def summary(h, facts, first=0, stop=None, *, k=12, reservoir=20, **options):
    columns = columns_of(h, PREFIX, first, stop)
    candidates = smallest_priorities(columns, facts, reservoir)
    return summarise(columns, facts, totals_of(h, facts, first, stop), k=k, candidates=candidates, **options)


def compare(found, expected, name, exact):
    if exact or expected.dtype.kind in "iOU":
        np.testing.assert_array_equal(found, expected, err_msg=name)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=name)


def check_against_dense(h, facts, k=12, reservoir=20):
    found = summary(h, facts, k=k, reservoir=reservoir)
    var, varm = dense_statistics(h, facts, prefix_tokens=PREFIX, grid=GRID, k=k, reservoir=reservoir)
    assert {name for name in found.var if not name.startswith("flag_")} == set(var)
    assert set(found.varm) == set(varm)
    for name, expected in var.items():
        compare(found.var[name], expected, name, name in EXACT)
    for name, expected in varm.items():
        compare(found.varm[name], expected, name, name.startswith("ref_"))


@pytest.mark.parametrize("seed", range(4))
def test_everything_equals_plain_dense_numpy(seed):
    h, facts = world(seed, n=130)
    check_against_dense(h, facts)
    assert np.isfinite(summary(h, facts).var["colour_r2"][3:]).all()


def test_more_sets_and_rarer_labels():
    check_against_dense(*world(10, labelled=0.4, n_sets=4, n=240))


def test_groups_of_one_image():
    check_against_dense(*world(11, repeated=0.0))


def test_few_images_and_many_places():
    check_against_dense(*world(12, n=6), k=20)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 4), st.integers(1, 5), st.integers(1, 8))
def test_any_small_image_set_equals_plain_dense_numpy(seed, n, n_sets, k, reservoir):
    check_against_dense(*world(seed, n=n, d_sae=4, n_sets=n_sets), k=k, reservoir=reservoir)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 12), max_size=4))
def test_ranges_of_latents_do_not_change_a_bit(seed, cuts):
    h, facts = world(seed, n=130)
    h *= np.random.default_rng(seed).random(h.shape, dtype=np.float32)  # sums that round
    whole = summary(h, facts)
    edges = sorted({0, 12, *cuts})
    parts = [summary(h, facts, a, b) for a, b in pairwise(edges)]
    for kind in ("var", "varm"):
        for name, expected in getattr(whole, kind).items():
            found = np.concatenate([getattr(part, kind)[name] for part in parts])
            assert found.dtype == expected.dtype, name
            np.testing.assert_array_equal(found, expected, err_msg=name)
    assert [part.first for part in parts] == edges[:-1]


def test_without_labels_label_statistics_are_absent():
    h, facts = world(3, labelled=0.0)
    check_against_dense(h, facts)
    found = summary(h, facts)
    assert not {"label_entropy", "dominant_label", "best_precision"} & set(found.var)
    assert np.isnan(found.varm["stats:lab 0"][:, 4]).all()
    assert (found.varm["miss_rows"] == -1).all()


def test_a_latent_that_never_fires():
    found = summary(*world(1))
    assert [found.var[name][0] for name in ("mean_activation", "frequency", "density", "max_activation")] == [0] * 4
    assert [found.var[name][0] for name in ("dominant_label", "best_label")] == ["", ""]
    for name in ("label_entropy", "best_precision", "colour_r2", "position_r2", "border_share", "reproducibility"):
        assert np.isnan(found.var[name][0]), name
    assert found.var["set_auroc"][0] == 0.5
    assert (found.varm["ref_rows"][0] == -1).all() and np.isnan(found.varm["ref_values"][0]).all()
    assert found.var["flag_few_cells"][0]
    assert not any(found.var[f"flag_{name}"][0] for name in ("colour", "position", "set"))


def test_limits_decide_the_flags():
    h, facts = world(0, 150)
    strict = FlagLimits(
        colour_r2=-1, position_r2=-1, off_centre=-1, border_share=-1, set_auroc=0.4, reproducible=2, min_groups=10**6
    )
    found = summary(h, facts, limits=strict).var
    for name in ("colour", "position", "set", "few_cells"):
        assert found[f"flag_{name}"][3:].all(), name


def test_histogram_bins_hold_their_lower_edge_and_what_lies_beyond():
    values = np.array([1e-9, 1.0, 10.0, 9.99, 1e9])
    columns = columns_of(values[:, None, None], 0)
    counts = histogram(columns)[0]
    assert counts[[0, 24, 27, 28, 39]].tolist() == [1, 1, 1, 1, 1]
    assert counts.sum() == 5
    assert HISTOGRAM_EDGES[[0, 24, 28, 40]].tolist() == [-6, 0, 1, 4]


def test_mean_activation_is_over_active_images_only():
    h = np.zeros((4, 2, 2))
    h[0, :, 0], h[2, :, 0] = 1, 3
    assert mean_activation(columns_of(h, 0)).tolist() == [2.0, 0.0]
