from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.cross_validation import Settings, cross_validate
from cytosae_toolkit.cohort.drivers import contributions, find_drivers, latent_table
from cytosae_toolkit.cohort.features import barcode_features
from cytosae_toolkit.cohort.folds import choose_participants, stratified_folds
from tests.cohort.making import make_barcodes


def prepared(sizes=8, **settings):
    cohort = open_cohort(make_barcodes(n_per_disease=sizes))
    who = choose_participants(cohort, "disease", 4)
    features = barcode_features(cohort)
    folds = stratified_folds(who.codes, 4, 3, 0)
    return cohort, who, features, cross_validate(features, who.codes, len(who.classes), folds, Settings(**settings))


@pytest.mark.parametrize("sizes", [8, {"a": 8, "b": 7}])
@pytest.mark.parametrize("scale", ["common", "standardised"])
def test_contributions_sum_to_the_margin_exactly(sizes, scale):
    _, _, features, result = prepared(sizes, scale=scale)
    for patient in range(len(features.values)):
        found = contributions(result, features, patient)
        decision = result.decisions[:, patient].mean(axis=0)
        assert found.predicted == decision.argmax()
        assert found.margin == pytest.approx(decision[found.predicted] - decision[found.against], abs=1e-12)
        assert found.margin >= 0
        assert found.base + found.values.sum() == pytest.approx(found.margin, abs=1e-9)


def test_one_contribution_by_hand():
    _, _, features, result = prepared()
    found = contributions(result, features, 7)
    expected = 0.0
    for model in (m for m in result.models if 7 in m.fold.test):
        s = model.kept.tolist().index(2)
        training = features.values[model.fold.train, 2].mean()
        weights = model.regression.coefficients[:, s]
        expected += (weights[found.predicted] - weights[found.against]) * (features.values[7, 2] - training) / 3
    assert found.values[2] == pytest.approx(expected, abs=1e-12)


def test_the_planted_latents_decide():
    cohort, who, features, result = prepared()
    table = latent_table(result.models, features, cohort, who.classes)
    for k, label in ((0, "healthy"), (1, "aml"), (2, "cll")):
        own = table[table["class"] == label]
        raised = own[own["effect_mean"] > 0]
        assert set(raised["latent"].head(3)) == {str(3 * k + i) for i in range(3)}
        assert (raised["sign_share"].head(3) == 1).all()
        assert own["rank"].tolist() == list(range(1, len(own) + 1))
        assert own["effect_mean"].abs().is_monotonic_decreasing
    assert table.loc[table["latent"] == "0", "name"].unique().tolist() == ["eosinophilic granules"]
    effects = np.array([m.regression.coefficients[0] * m.regression.sd for m in result.models])
    row = table[(table["class"] == who.classes[0]) & (table["latent"] == "5")].iloc[0]
    at = result.models[0].kept.tolist().index(5)
    assert row["effect_mean"] == pytest.approx(effects[:, at].mean())
    assert row["effect_sd"] == pytest.approx(effects[:, at].std(ddof=1))


def test_drivers_add_up_with_what_is_not_listed():
    cohort, who, features, result = prepared(min_log10_mean=-2.0)
    found = find_drivers(result, features, cohort, who.classes, 4)
    assert list(found.summary) == ["predicted", "against", "margin", "base", "rest"]
    listed = found.table.groupby("patient", sort=False)["contribution"].sum().to_numpy()
    np.testing.assert_allclose(listed + found.summary["base"] + found.summary["rest"], found.summary["margin"])
    first = found.table[found.table["patient"] == "p00"]
    assert first["rank"].tolist() == [1, 2, 3, 4]
    assert first["contribution"].abs().is_monotonic_decreasing
    assert ((first["contribution"] > 0) == (first["speaks"] == "for")).all()
    assert set(found.table["column"]) <= set(range(20))  # those above the threshold
