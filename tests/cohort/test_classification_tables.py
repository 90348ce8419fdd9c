from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.cohort.classification_tables import (
    FeatureScores,
    Sweep,
    prediction_table,
    score_table,
    set_table,
    sweep_table,
)
from cytosae_toolkit.cohort.left_out_sets import LeftOutSet
from cytosae_toolkit.cohort.scores import SCORES, Interval, Score
from cytosae_toolkit.cohort.threshold_sweep import Point


def point(limit, value):
    same = dict.fromkeys(SCORES, value)
    return Point(limit, 7.0, same, dict.fromkeys(SCORES, 0.1), same, 2)


def test_scores_have_a_row_each_and_barcodes_no_difference():
    score = Score(0.8, 0.1, 0.81, 0.7, 0.9, 0.01, 0.3)
    one = FeatureScores("barcode", "b", 5.0, 0, dict.fromkeys(SCORES, score), {})
    two = FeatureScores("colour", "c", 9.0, 0, dict.fromkeys(SCORES, score), dict.fromkeys(SCORES, Interval(0.1, 0, 1)))
    table = score_table([one, two])
    assert len(table) == 8
    assert table["difference"].isna().tolist() == [True] * 4 + [False] * 4
    assert table.iloc[0][["mean", "sd", "pooled", "low", "high", "p", "chance"]].tolist() == [
        0.8, 0.1, 0.81, 0.7, 0.9, 0.01, 0.3
    ]  # fmt: skip


def test_the_best_of_a_curve_is_the_highest_of_equal_thresholds():
    sweep = Sweep((point(-3.0, 0.9), point(-2.0, 0.9), point(-1.0, 0.5)), None, "")
    assert sweep.best.min_log10_mean == -2.0
    assert sweep_table(sweep)["weighted_f1"].tolist() == [0.9, 0.9, 0.5]


def test_a_set_without_scores_has_empty_cells():
    table = set_table([LeftOutSet("barcode", "x", 3, 0, (), {"aml": 4}, {}, None, "why")])
    assert table.loc[0, "unseen"] == "aml 4"
    assert pd.isna(table.loc[0, "weighted_f1_low"])


def test_predictions_are_over_the_repeats():
    decisions = np.array([[[2.0, 0.0]], [[-1.0, 0.0]]])
    summary = pd.DataFrame([{"predicted": "a", "against": "b", "margin": 0.5, "base": 0.1, "rest": 0.0}])
    names = np.array(["p"], dtype=object)
    table = prediction_table(names, np.array([4]), names, np.array([0]), decisions, summary, ("a", "b"))
    assert table.loc[0, ["truth", "predicted", "correct", "share_correct"]].tolist() == ["a", "a", True, 0.5]
    assert table.loc[0, "probability:a"] == pytest.approx((1 / (1 + np.exp(-2)) + 1 / (1 + np.exp(1))) / 2)
