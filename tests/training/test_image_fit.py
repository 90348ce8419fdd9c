from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training import load_run, train
from cytosae_toolkit.training.image_fit import (
    MAX_IMAGES,
    PERCENT,
    ImageFit,
    fit_images,
    measure_training_images,
)
from cytosae_toolkit.training.token_spread import TokenSpread

from .few_tokens import FewTokens


def usual(n_images=100):
    """FVU 0.10 to 0.20, L0 10 to 30 among training images."""
    steps = np.linspace(0, 1, n_images)
    return ImageFit.of_values(0.1 + 0.1 * steps, 10 + 20 * steps, TokenSpread((0.0,), ()))


def test_fvu_and_l0_equal_their_definition(view, toy):
    sae = toy()
    spread = TokenSpread(tuple(np.arange(6.0)), (1,))
    found = list(fit_images(sae, view, np.array([7, 3, *range(20, 50)]), spread))
    assert len(found) == 32
    keep = [0, 2, 3, 4, 5]
    for row, (fvu, l0) in zip((7, 3), found, strict=False):
        x = torch.from_numpy(view.values[row].astype(np.float32))
        with torch.no_grad():
            z = sae.encode(x)
            error = (x - sae.decode(z))[:, keep].double().numpy()
        distance = (view.values[row].astype(np.float64) - np.arange(6.0))[:, keep]
        assert fvu == pytest.approx((error**2).sum() / (distance**2).sum(), rel=1e-9)
        assert l0 == float((z > 0).sum()) / 5


def test_an_image_does_not_depend_on_its_neighbours(view, toy):
    spread = TokenSpread.of_images(view, np.arange(60))
    alone = [next(fit_images(toy(), view, np.array([row]), spread)) for row in range(60)]
    assert alone == list(fit_images(toy(), view, np.arange(60), spread))


@pytest.mark.parametrize(
    ("fvu", "l0", "unlike"),
    [
        (0.15, 20, False),
        (0.01, 20, False),  # better explained than any
        (0.24, 20, False),
        (0.26, 20, True),
        (0.15, 35.5, True),
        (0.15, 34.5, False),
        (0.15, 5.5, False),
        (0.15, 4.5, True),
        (float("nan"), 20, True),
    ],
)
def test_what_counts_as_unlike(fvu, l0, unlike):
    assert usual().judge(fvu, l0) is unlike


def test_a_handful_of_training_images_is_no_yardstick():
    assert usual(20).judge(9.0, 900.0)
    assert not usual(19).judge(9.0, 900.0)


def test_survives_json(view, toy):
    fit = measure_training_images(toy(), view, np.arange(60), seed=0)
    assert (fit.side, fit.cell_size) == ((), None)
    assert ImageFit.from_json(json.loads(json.dumps(fit.to_json()))) == fit
    fit = fit.with_view([120, 300, 360], [0.2, float("nan"), 0.4])
    assert fit.side == (300.0, 360.0)
    assert fit.cell_size == pytest.approx(0.3)
    assert ImageFit.from_json(json.loads(json.dumps(fit.to_json()))) == fit
    assert len(fit.fvu) == len(fit.l0) == len(PERCENT)
    assert list(fit.fvu) == sorted(fit.fvu)


@pytest.mark.parametrize(
    "spoil", [{"fvu": {}}, {"l0": {"quantiles": [1, 2]}}, {"percent": [0, 100]}, {"token_mean": 1}]
)
def test_a_damaged_record_is_named(spoil):
    with pytest.raises(CytosaeError, match="image_fit of a run is damaged"):
        ImageFit.from_json(usual().to_json() | spoil)


def test_at_most_so_many_training_images_are_measured(toy):
    many = FewTokens(np.random.default_rng(1).normal(size=(MAX_IMAGES + 40, 2, 6)).astype(np.float16))
    fit = measure_training_images(toy(), many, np.arange(len(many)), seed=3)
    assert fit.n_images == MAX_IMAGES
    assert fit == measure_training_images(toy(), many, np.arange(len(many)), seed=3)
    assert fit != measure_training_images(toy(), many, np.arange(len(many)), seed=4)


@pytest.mark.usefixtures("no_loggers", "no_trials")
def test_a_run_records_its_training_images(tiny_config):
    run = train(tiny_config(held_out=0.25))
    fit = ImageFit.of_run(load_run(run.path))
    assert fit is not None
    assert (fit.n_images, len(fit.spread.mean), fit.side) == (18, 64, (32.0, 32.0))
    assert 0 < fit.fvu[0] <= fit.fvu[-1]


@pytest.mark.usefixtures("no_loggers", "no_trials")
def test_a_run_without_a_record_has_none(tiny_config):
    run = train(tiny_config())
    found = run.evaluation
    del found["image_fit"]
    (run.path / "evaluation.json").write_text(json.dumps(found))
    assert ImageFit.of_run(load_run(run.path)) is None
