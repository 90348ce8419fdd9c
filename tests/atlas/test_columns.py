from __future__ import annotations

import numpy as np

from .dense import columns_of
from .worlds import facts_of, world


def test_entries_know_their_latent_and_their_rank():
    m = np.array([[0, 2, 1], [3, 2, 0], [1, 4, 0]])
    columns = columns_of(m[:, None], 0)
    assert columns.latent.tolist() == [0, 0, 1, 1, 1, 2]
    assert columns.n_active.tolist() == [2, 3, 1]
    assert columns.rows[columns.ranking].tolist() == [1, 2, 2, 0, 1, 0]


def test_restriction_keeps_latents_and_order():
    h, _ = world(0)
    columns = columns_of(h, 1)
    even = columns.restrict(columns.rows % 2 == 0)
    expected = columns_of(np.where((np.arange(len(h)) % 2 == 0)[:, None, None], h, 0), 1)
    for name in ("indptr", "rows", "mean", "max", "value", "peak", "latent", "ranking"):
        np.testing.assert_array_equal(getattr(even, name), getattr(expected, name), err_msg=name)


def test_a_group_has_the_label_of_most_of_its_images():
    facts = facts_of(6, labels=["b", "a", "a", None, "b", None], groups=[0, 0, 0, 1, 2, 1])
    assert [facts.label_names[code] if code >= 0 else None for code in facts.group_labels] == ["a", None, "b"]
    tie = facts_of(2, labels=["b", "a"], groups=[0, 0])
    assert tie.label_names[tie.group_labels[0]] == "b"


def test_a_group_stands_with_its_first_image():
    facts = facts_of(6, groups=[0, 0, 0, 1, 2, 1])
    assert facts.representatives.tolist() == [True, False, False, True, True, False]
    assert facts.group_sizes.tolist() == [3, 2, 1]


def test_labels_in_alphabetical_order():
    facts = facts_of(3, labels=["b", "c", "a"])
    assert facts.label_names == ["c", "b", "a"]
    assert facts.alphabetical.tolist() == [2, 1, 0]
