from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.atlas.card.localising import choose, halves, localise_kinds, overlaps
from cytosae_toolkit.atlas.units import MaskedImage

BOXES = np.array([[0, 0, 1, 1], [1, 0, 2, 1], [0, 1, 1, 2], [1, 1, 2, 2]], dtype=float)
IMAGE = np.zeros((2, 2, 3), dtype=np.uint8)
UPPER, LEFT = np.array([1.0, 1, 0, 0]), np.array([1.0, 0, 1, 0])


def sample(*units: list[float]) -> MaskedImage:
    """One image whose tokens are the activations of its units."""
    return MaskedImage(np.array(units, dtype=np.float32).T, IMAGE, BOXES, np.stack([UPPER, LEFT], axis=1))


def own(tokens, image, boxes):
    return tokens


def test_halves_keep_groups_whole_and_depend_on_the_seed():
    groups = np.array(["a", "b", "a", "c", "d", "b"])
    first, second = halves(groups)
    assert sorted([*first, *second]) == list(range(6))
    assert not set(groups[first]) & set(groups[second])
    assert {len(set(groups[half])) for half in (first, second)} == {2}
    assert any(halves(groups, seed)[0].tolist() != first.tolist() for seed in range(1, 6))
    assert len(halves(np.array(["a", "a"]))[1]) == 0


def test_the_unit_is_chosen_on_one_half_and_reported_on_the_other():
    chosen_on = [sample([1, 1, 0, 0], [1, 0, 1, 0])]
    reported = [sample([1, 0, 1, 0], [1, 0, 1, 0])]  # unit 0 changes its mind
    rows = localise_kinds({"own": own}, lambda choosing: chosen_on if choosing else reported, ["upper", "left"])
    upper, left = rows
    assert (upper["structure"], upper["kind"], upper["unit"], upper["n_units"]) == ("upper", "own", 0, 2)
    assert (upper["share_inside"], upper["area_share"], upper["recall"]) == (0.5, 0.5, 0.5)
    assert (left["unit"], left["share_inside"], left["average_precision"]) == (1, 1, 1)


def test_a_unit_that_hardly_fires_is_not_chosen():
    samples = [sample([1, 0, 0, 0], [1, 1, 1, 0])]
    found = overlaps({"own": own}, samples)["own"]
    assert choose(found, 0) == 0
    assert choose(found, 0, min_density=0.5) == 1
    assert choose(found, 0, min_density=0.9) is None
    rows = localise_kinds({"own": own}, lambda choosing: samples, ["upper", "left"], min_density=0.9)
    assert rows[0] == {"structure": "upper", "kind": "own", "n_units": 2}


def test_every_kind_sees_every_image_once():
    seen = []

    def noted(tokens, image, boxes):
        seen.append(tokens)
        return tokens

    samples = [sample([1, 1, 0, 0]), sample([0, 1, 1, 0])]
    found = overlaps({"a": own, "b": noted}, iter(samples))
    assert len(seen) == 2
    assert found["a"].share_inside[0, 0] == pytest.approx(0.75)
