from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_toolkit.atlas.sampling import (
    NEAR_MISSES,
    entry_priorities,
    near_misses,
    priority,
    quartiles,
    smallest_priorities,
    typical,
)
from cytosae_toolkit.atlas.segments import LAST
from cytosae_toolkit.atlas.tracking import Reservoir

from .dense import columns_of
from .worlds import facts_of, world


def test_priorities_spread_evenly_and_differ_between_latents():
    keys = np.arange(20_000, dtype=np.uint64)
    first, second = priority(0, keys), priority(1, keys)
    assert len(np.unique(first)) == len(keys)
    assert np.histogram(first / 2**64, bins=10, range=(0, 1))[0].min() > 1_850
    assert abs(np.corrcoef(first / 2**64, second / 2**64)[0, 1]) < 0.03
    assert (first < LAST).all()


def test_priorities_are_functions_of_latent_and_key():
    keys = np.array([5, 6, 5], dtype=np.uint64)
    found = priority(np.array([2, 2, 2]), keys)
    assert found[0] == found[2] != found[1]
    assert priority(2, keys).tolist() == found.tolist()


def test_the_smallest_priorities_are_what_a_reservoir_holds_in_the_end():
    h, facts = world(0)
    columns = columns_of(h, 1)
    chosen = smallest_priorities(columns, facts, 5)
    drawn = entry_priorities(columns, facts)
    reservoir = Reservoir(columns.n_latents, 5)
    order = np.lexsort((columns.latent, columns.rows))
    for part in np.array_split(order, 7):
        entered = reservoir.update(columns.latent[part], drawn[part])
        assert not (chosen[part] & ~entered).any()
    for s in range(columns.n_latents):
        expected = sorted(drawn[(columns.latent == s) & chosen].tolist())
        assert reservoir.priorities[s][reservoir.priorities[s] < LAST].tolist() == expected


def test_quartiles_by_order_statistics_with_ties_together():
    m = np.array([[4, 1, 7], [2, 1, 0], [3, 1, 0], [1, 1, 0], [8, 5, 0], [7, 1, 0], [6, 1, 0], [5, 1, 0]])
    found = quartiles(columns_of(m[:, None], 0))
    assert found[:8].tolist() == [1, 0, 1, 0, 3, 3, 2, 2]
    assert found[8:16].tolist() == [0, 0, 0, 0, 3, 0, 0, 0]
    assert found[16:].tolist() == [0]


def test_typical_images_come_from_every_quartile_and_different_groups():
    m = np.arange(1.0, 41.0)
    columns, facts = columns_of(m[:, None, None], 0), facts_of(40, groups=np.arange(40) // 2)
    rows, peaks = typical(columns, facts, np.ones(40, dtype=bool))
    assert (rows // 10 == np.repeat(np.arange(4), 3)).all()
    assert len(set(facts.groups[rows[0]])) == 12
    assert (peaks == 0).all()


def test_typical_images_are_drawn_from_the_candidates_alone():
    columns, facts = columns_of(np.arange(1.0, 41.0)[:, None, None], 0), facts_of(40)
    candidates = np.isin(np.arange(40), [3, 15])
    rows, _ = typical(columns, facts, candidates)
    assert rows.tolist() == [[3, -1, -1, 15, *[-1] * 8]]


def test_every_image_has_its_chance_to_be_typical():
    h = np.ones((40, 1, 300))
    rows, _ = typical(columns_of(h, 0), facts_of(40), np.ones(40 * 300, dtype=bool))
    counts = np.bincount(rows[rows >= 0], minlength=40)
    assert counts.min() > 5 and counts.sum() == 900


def test_near_misses_share_the_label_and_are_silent_in_the_whole_group():
    facts = facts_of(8, labels=["a", "a", "a", "b", "a", "a", None, "a"], groups=[0, 0, 1, 2, 3, 4, 5, 6])
    m = np.array([1.0, 0, 0, 0, 0, 0, 0, 0])
    found = near_misses(columns_of(m[:, None, None], 0), facts, np.array([facts.label_names.index("a")]))
    assert len(set(found[0])) == NEAR_MISSES and set(found[0]) < {2, 4, 5, 7}


def test_near_misses_run_out():
    facts = facts_of(4, labels=["a", "a", "a", "b"])
    m = np.array([[1.0, 1], [0, 1], [2, 1], [0, 0]])
    a, b = facts.label_names.index("a"), facts.label_names.index("b")
    columns = columns_of(m[:, None], 0)
    assert near_misses(columns, facts, np.array([a, a])).tolist() == [[1, -1, -1], [-1, -1, -1]]
    assert near_misses(columns, facts, np.array([b, -1])).tolist() == [[3, -1, -1], [-1, -1, -1]]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_typical_and_missed_images_keep_their_word(seed):
    h, facts = world(seed, n=40, d_sae=4)
    columns = columns_of(h, 1)
    m = h.mean(axis=1)
    rows, _ = typical(columns, facts, smallest_priorities(columns, facts, 20))
    label = np.full(4, 0)
    missed = near_misses(columns, facts, label)
    for s in range(4):
        drawn = rows[s][rows[s] >= 0]
        assert (m[drawn, s] > 0).all() and len(set(facts.groups[drawn])) == len(drawn)
        silent = missed[s][missed[s] >= 0]
        assert (m[silent, s] == 0).all() and (facts.group_labels[facts.groups[silent]] == 0).all()
