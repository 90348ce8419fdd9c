from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cytosae_toolkit.cohort.regression import SCALES, fit_regression, inverse_strength, rotate


def data(n=24, k=200, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % n_classes
    values = rng.gamma(2, rng.uniform(0.1, 5, k), (n, k))
    values[:, :3] += 2 * np.eye(3)[codes]
    return values, codes


def direct(values, codes, strength):
    return LogisticRegression(C=strength, tol=1e-9, max_iter=20_000).fit(values, codes)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_rotated_fit_equals_the_direct_one(n_classes):
    values, codes = data(n_classes=n_classes)
    test = data(seed=1)[0]
    scaler = StandardScaler().fit(values)
    model = direct(scaler.transform(values), codes, 0.5)
    ours = fit_regression(values, codes, n_classes, scale="standardised", strength=0.5)
    theirs = model.decision_function(scaler.transform(test))
    decision = ours.decision(test)
    if n_classes == 2:
        np.testing.assert_allclose(decision[:, 1] - decision[:, 0], theirs, atol=1e-4)
        np.testing.assert_allclose(np.diff(ours.coefficients, axis=0)[0], model.coef_[0] / scaler.scale_, atol=1e-5)
    else:
        np.testing.assert_allclose(decision, theirs, atol=1e-4)
        np.testing.assert_allclose(ours.coefficients, model.coef_ / scaler.scale_, atol=1e-5)


def test_raw_needs_no_centring():
    values, codes = data(k=30)
    model = direct(values, codes, 0.1)
    ours = fit_regression(values, codes, 3, scale="raw", strength=0.1)
    np.testing.assert_allclose(ours.decision(values), model.decision_function(values), atol=1e-3)


@pytest.mark.parametrize("scale", SCALES)
def test_rotation_keeps_inner_products(scale):
    values, _ = data()
    rotation = rotate(values, scale)
    assert rotation.train.shape == (24, 23)  # one dimension is the mean
    np.testing.assert_allclose(rotation.train @ rotation.train.T, rotation.centred @ rotation.centred.T, atol=1e-8)
    np.testing.assert_allclose(rotation.apply(values), rotation.train, atol=1e-8)


def test_units_matter_only_for_raw():
    values, codes = data()
    changed = {}
    for scale in SCALES:
        one, other = (fit_regression(v, codes, 3, scale=scale).decision(v) for v in (values, values / 1000))
        changed[scale] = not np.allclose(one, other, atol=1e-5)
    assert changed == {"common": False, "standardised": False, "raw": True}


def test_a_constant_feature_does_not_become_noise():
    values, codes = data(k=5)
    values[:, 4] = 0.1  # its mean differs from it in the last bit
    ours = fit_regression(values, codes, 3, scale="standardised")
    assert ours.sd[4] == 0
    assert np.abs(ours.coefficients[:, 4]).max() < 1e-6


def test_rules_of_strength():
    assert inverse_strength("patients", 150, 5, 768) == 7.5
    assert inverse_strength("features", 150, 5, 768) == 38.4
    assert inverse_strength(3, 150, 5, 768) == 3.0


def test_absent_classes_and_no_features():
    values, codes = data()
    decision = fit_regression(values, codes, 5).decision(values)
    assert np.isneginf(decision[:, 3:]).all()
    assert (decision.argmax(axis=1) == codes).all()
    nothing = fit_regression(np.zeros((10, 0)), np.array([0] * 7 + [1] * 3), 2)
    np.testing.assert_allclose(np.diff(nothing.decision(np.zeros((1, 0)))[0]), np.log(3 / 7))


@pytest.mark.slow
def test_a_fold_of_189_patients_with_49152_latents_is_fast():
    rng = np.random.default_rng(0)
    values, codes = rng.gamma(1.0, 1.0, (151, 49_152)), np.arange(151) % 5
    begin = time.perf_counter()
    fit_regression(values, codes, 5).decision(values[:38])
    assert time.perf_counter() - begin < 5  # 0.3 s on an idle core; a direct fit takes minutes
