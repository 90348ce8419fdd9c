from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_toolkit.atlas.tracking import Reservoir, TopTracker


def best_groups(entries, k):
    """Rows of the k best groups, each by its best image, of (group, value, row) triples."""
    rows, seen = [], set()
    for group, _, row in sorted(entries, key=lambda entry: (-entry[1], entry[2])):
        if group not in seen and len(rows) < k:
            seen.add(group)
            rows.append(row)
    return rows


def offer(tracker, entries):
    latent, sets, group, value, row = (np.array(column) for column in zip(*entries, strict=True))
    return tracker.update(latent, sets, group, value.astype(np.float32), row)


def test_a_group_takes_one_place_by_its_best_image():
    tracker = TopTracker(d_sae=3, n_sets=1, k=2)
    first = offer(tracker, [(1, 0, 0, 5.0, 0), (1, 0, 0, 6.0, 1), (1, 0, 1, 2.0, 2), (1, 0, 2, 3.0, 3)])
    assert first.tolist() == [False, True, False, True]
    assert offer(tracker, [(1, 0, 1, 3.0, 4), (1, 0, 0, 6.0, 5), (2, 0, 1, 0.5, 4)]).tolist() == [False, False, True]
    assert offer(tracker, [(1, 0, 2, 9.0, 6), (1, 0, 1, 7.0, 7)]).tolist() == [True, True]


def test_sets_are_apart_and_may_appear_late():
    tracker = TopTracker(d_sae=2, n_sets=1, k=1)
    assert offer(tracker, [(0, 0, 0, 5.0, 0)]).all()
    assert offer(tracker, [(0, 2, 1, 1.0, 1), (0, 0, 2, 4.0, 2)]).tolist() == [True, False]


def test_what_is_no_activation_is_never_kept():
    tracker = TopTracker(d_sae=1, n_sets=1, k=3)
    assert not offer(tracker, [(0, 0, 0, np.nan, 0), (0, 0, 1, 0.0, 1), (0, 0, 2, -1.0, 2)]).any()


def test_nothing_offered_changes_nothing():
    empty = np.array([], dtype=np.int64)
    assert TopTracker(2, 1, 1).update(empty, empty, empty, empty.astype(np.float32), empty).shape == (0,)
    assert Reservoir(2, 1).update(empty, empty.astype(np.uint64)).shape == (0,)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_tracker_finds_all_that_is_best_in_the_end(data):
    n, k = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 4))
    small = st.integers(0, 4)
    draws = data.draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), small, small), min_size=n, max_size=n))
    entries = [(latent, s, group, float(value), row) for row, (latent, s, group, value) in enumerate(draws)]
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=4)))
    tracker, kept, alive = TopTracker(2, 1, k), set(), {}
    for part in (entries[a:b] for a, b in zip([0, *cuts], [*cuts, n], strict=True)):
        if not part:
            continue
        mask = offer(tracker, part)
        kept |= {entry[4] for entry, yes in zip(part, mask, strict=True) if yes}
        for latent, s, group, value, row in part:
            if value > 0:
                alive.setdefault((latent, s), []).append((group, value, row))
        now = {row for found in alive.values() for row in best_groups(found, k)}
        assert {entry[4] for entry, yes in zip(part, mask, strict=True) if yes} == now & {e[4] for e in part}
    assert {row for found in alive.values() for row in best_groups(found, k)} <= kept


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=40), st.integers(1, 4), st.data())
def test_reservoir_keeps_the_smallest_priorities_so_far(entries, size, data):
    cut = data.draw(st.integers(0, len(entries)))
    latent = np.array([latent for latent, _ in entries])
    priority = np.array([priority for _, priority in entries], dtype=np.uint64)
    reservoir = Reservoir(3, size)
    for begin, end in ((0, cut), (cut, len(entries))):
        mask = reservoir.update(latent[begin:end], priority[begin:end])
        smallest = []
        for s in range(3):
            offered = np.flatnonzero(latent[:end] == s)
            smallest += sorted(offered, key=lambda i: (priority[i], i))[:size]
        assert set(begin + np.flatnonzero(mask)) == {i for i in smallest if i >= begin}
