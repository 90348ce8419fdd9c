from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.report.profile import Profile, pearson
from tests.cohort.making import make_barcodes


@pytest.fixture
def profile() -> Profile:
    cohort = open_cohort(make_barcodes())
    return Profile(cohort, 3, cohort.column("disease"))


def test_a_patient_is_not_among_its_references(profile):
    own, *others = profile.other_groups.items()
    assert own[0] == profile.group
    assert len(own[1]) == 7
    assert [len(rows) for _, rows in others] == [8, 8]
    assert all(3 not in rows for rows in profile.other_groups.values())
    row = profile.latent_rows([0, 5]).iloc[1]
    matrix = profile.cohort.barcodes.toarray()
    others_mean, sd = np.delete(matrix[:, 5], 3).mean(), np.delete(matrix[:, 5], 3).std()
    assert row["others"] == pytest.approx(others_mean)
    assert row["same"] == pytest.approx(matrix[own[1], 5].mean())
    assert row["score"] == pytest.approx((matrix[3, 5] - others_mean) / (sd + 0.1))


def test_the_order_is_that_of_the_score(profile):
    columns = profile.standing_out(6)
    scores = profile.latent_rows(columns)["score"].abs()
    assert scores.is_monotonic_decreasing
    everything = profile.latent_rows(list(range(profile.matrix.shape[1])))["score"].abs()
    assert scores.tolist() == pytest.approx(sorted(everything, reverse=True)[:6])


def test_likeness_is_highest_to_its_own_group(profile):
    table = profile.likeness()
    assert table["group"][table["r"].idxmax()] == profile.group
    assert table["n_patients"].tolist() == [7, 8, 8]


def test_strips_are_the_barcodes(profile):
    table = profile.strips()
    assert len(table) == 39  # the last latent is silent
    place = table.index[table["key"] == "5"][0]
    assert table["this patient"][place] == profile.matrix[3, 5]


def test_a_patient_alone_has_nothing_to_be_compared_with():
    cohort = open_cohort(make_barcodes())
    alone = Profile(cohort.subset(np.array([3])), 0, np.array([None], dtype=object))
    columns = alone.standing_out(4)
    assert columns == np.argsort(-alone.matrix[0], kind="stable")[:4].tolist()
    assert alone.latent_rows(columns)[["same", "others", "low", "score"]].isna().all(axis=None)
    assert alone.likeness().empty


def test_correlation_of_what_does_not_vary_is_unknown():
    assert np.isnan(pearson(np.ones(3), np.arange(3.0)))
    assert pearson(np.arange(3.0), np.arange(3.0)) == pytest.approx(1)
