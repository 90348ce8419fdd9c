from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.atlas.control import FlagLimits
from cytosae_toolkit.atlas.regressions import colour_r2, correlation

from .dense import columns_of
from .worlds import facts_of


def columns(*m):
    return columns_of(np.stack(m, axis=1)[:, None], 0)


def test_colour_explains_what_follows_colour_and_not_what_does_not():
    facts = facts_of(400, labels=["a"] * 400)
    spread = np.maximum(facts.colour[:, 4] + 3, 0)
    bright = facts.colour[:, 1].astype(float) ** 2
    chance = np.random.default_rng(1).random(400)
    r2 = colour_r2(columns(spread, bright, chance), facts)
    assert r2[0] > 0.95 and r2[1] > 0.6 and r2[2] < 0.05


def test_colour_that_goes_with_the_label_is_no_fault():
    colour = np.random.default_rng(0).normal(size=(400, 9)).astype(np.float32)
    colour[:200] += 5
    m = (np.arange(400) < 200) + np.random.default_rng(1).random(400)
    assert colour_r2(columns(m), facts_of(400, colour=colour))[0] > 0.5
    labels = ["red"] * 200 + ["blue"] * 200
    assert colour_r2(columns(m), facts_of(400, colour=colour, labels=labels))[0] < 0.05


def test_without_labels_only_mean_colours_predict():
    facts = facts_of(400)
    mean, spread = (np.maximum(facts.colour[:, i] + 3, 0) for i in (2, 3))
    r2 = colour_r2(columns(mean, spread), facts)
    assert r2[0] > 0.95 and r2[1] < 0.05


def test_prediction_is_of_images_not_seen():
    facts = facts_of(60)  # 18 features would explain much of 60 images by chance
    chance = np.random.default_rng(1).random(60)
    assert colour_r2(columns(chance), facts)[0] < 0.3


def test_photographs_of_one_cell_do_not_predict_each_other():
    few = facts_of(60, seed=3)
    many = facts_of(600, groups=np.repeat(np.arange(60), 10), colour=np.repeat(few.colour, 10, axis=0))
    m = np.random.default_rng(0).random(60)
    assert colour_r2(columns(np.repeat(m, 10)), many)[0] < 0.3


def test_constant_values_and_constant_colours():
    facts = facts_of(80, colour=np.ones((80, 9), dtype=np.float32))
    m = np.random.default_rng(0).random(80)
    assert colour_r2(columns(m), facts)[0] == 0
    assert np.isnan(colour_r2(columns(np.ones(80)), facts_of(80))[0])


def test_few_images_say_nothing_about_colour():
    bright = facts_of(59).colour[:, 0] + 3.0
    assert np.isnan(colour_r2(columns(bright), facts_of(59))[0])
    facts = facts_of(60)
    assert colour_r2(columns(facts.colour[:, 0] + 3.0), facts)[0] > 0.8


def test_chance_is_flagged_in_less_than_one_latent_of_a_hundred():
    flagged = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        colour = (rng.normal(size=(60, 2)) @ rng.normal(size=(2, 9)) + 0.3 * rng.normal(size=(60, 9))).astype(
            np.float32
        )
        facts = facts_of(60, colour=colour, labels=[str(i // 10) for i in range(60)], seed=seed)
        m = [rng.random(60) * (rng.random(60) < 0.3) for _ in range(50)]
        flagged.append(colour_r2(columns(*m), facts) > FlagLimits().colour_r2)
    assert np.mean(flagged) < 0.01


def test_a_rare_label_whose_few_cells_cancel_out_explains_nothing():
    labels = ["common"] * 400 + ["rare", "rare"]
    m = np.zeros(402)
    m[400:] = 0.1, 1.0  # their differences from their mean are each other's negative
    assert np.isnan(colour_r2(columns(m), facts_of(402, labels=labels))[0])


def test_unknown_colours_are_left_out():
    colour = np.random.default_rng(0).normal(size=(200, 9)).astype(np.float32)
    m = np.maximum(colour[:, 0] + 3, 0).astype(float)
    colour[::2] = np.nan
    m[::2] = 100
    assert colour_r2(columns(m), facts_of(200, colour=colour))[0] > 0.9
    colour[:181] = np.nan
    assert np.isnan(colour_r2(columns(m), facts_of(200, colour=colour))[0])


def test_correlation_counts_zeros_and_known_images_only():
    area = np.arange(40.0)
    m = np.where(area > 20, area, 0)
    expected = np.corrcoef(m, area)[0, 1]
    facts = facts_of(40, nuclear_area=area)
    assert correlation(columns(m), facts, area)[0] == pytest.approx(expected)
    known = np.where(area < 30, area, np.nan)
    assert correlation(columns(m), facts, known)[0] == pytest.approx(np.corrcoef(m[:30], area[:30])[0, 1])


def test_correlation_of_too_little_is_undefined():
    facts = facts_of(40)
    m = np.arange(40.0)
    few = np.where(m < 9, m, np.nan)
    assert np.isnan(correlation(columns(m), facts, few)[0])
    assert np.isnan(correlation(columns(m), facts, np.ones(40))[0])
    assert np.isnan(correlation(columns(np.ones(40)), facts, m)[0])
