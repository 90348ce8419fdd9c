from __future__ import annotations

import pytest

from cytosae_toolkit.training import train

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


def test_the_evaluation_says_how_good_it_is(tiny_config):
    found = train(tiny_config(held_out=0.25)).evaluation
    assert (found["train"]["n_images"], found["held_out"]["n_images"]) == (18, 6)
    assert found["held_out"]["n_tokens"] == 30
    assert found["held_out"]["patches"]["n_tokens"] == 24
    assert (found["steps"], found["tokens_seen"], found["dead_window_steps"]) == (20, 640, 64)
    assert 0 < found["train"]["fvu"] < 1


def test_nothing_may_be_held_out(tiny_config):
    found = train(tiny_config(held_out=0.0)).evaluation
    assert found["held_out"] is None
    assert found["train"]["n_images"] == 24
