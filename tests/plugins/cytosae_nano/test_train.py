import subprocess
import sys

import pytest
import torch
from cytosae_nano.architecture import build
from cytosae_nano.masked import MaskedAutoencoder
from cytosae_nano.pool import make_pool
from cytosae_nano.train import Recipe, learning_rate, run, save, train
from safetensors import safe_open
from safetensors.torch import load_file

TINY = Recipe(seed=0, steps=12, scenes=6, batch=4, pool_size=64, bfloat16=False)


@pytest.fixture(scope="module")
def pool():
    return make_pool(TINY.scenes, TINY.seed, size=TINY.pool_size)


def _trained(pool, recipe=TINY):
    torch.manual_seed(recipe.seed)
    model = MaskedAutoencoder()
    losses = [progress.loss for progress in train(model, pool, recipe)]
    return model, losses


def test_a_few_steps_lower_the_loss_and_are_deterministic(pool):
    model, losses = _trained(pool)
    assert len(losses) == 12 and sum(losses[-3:]) < 0.9 * sum(losses[:3])
    again, same = _trained(pool)
    assert losses == same
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_bfloat16_is_close_to_float32(pool):
    short = Recipe(seed=0, steps=2, scenes=6, batch=4, pool_size=64)
    _, losses = _trained(pool, short)
    _, exact = _trained(pool, Recipe(seed=0, steps=2, scenes=6, batch=4, pool_size=64, bfloat16=False))
    assert losses == pytest.approx(exact, rel=0.05)


def test_positions_are_not_trained(pool):
    torch.manual_seed(0)
    before = MaskedAutoencoder().encoder.pos_embed.clone()
    after, _ = _trained(pool, Recipe(steps=2, scenes=6, batch=4, pool_size=64))
    assert torch.equal(before, after.encoder.pos_embed)


def test_learning_rate_rises_then_falls():
    recipe = Recipe(steps=100)
    rates = [learning_rate(recipe, step) for step in range(100)]
    assert max(rates) == pytest.approx(recipe.learning_rate)
    assert rates[:5] == sorted(rates[:5]) and rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 0.02 * recipe.learning_rate


def test_weights_file_loads_into_the_network_and_tells_its_recipe(tmp_path):
    torch.manual_seed(0)
    model = MaskedAutoencoder()
    save(model, tmp_path / "w.safetensors", TINY, steps_done=7)
    weights = load_file(tmp_path / "w.safetensors")
    assert {v.dtype for v in weights.values()} == {torch.float16}
    build().load_state_dict({k: v.float() for k, v in weights.items()})
    with safe_open(tmp_path / "w.safetensors", "pt") as handle:
        assert handle.metadata()["steps_done"] == "7" and handle.metadata()["seed"] == "0"


def test_run_prints_progress_and_writes_the_weights(tmp_path, capsys):
    run(Recipe(steps=2, scenes=3, batch=2, pool_size=64), tmp_path / "w.safetensors", minutes=1, workers=1)
    assert "pool" in capsys.readouterr().out
    assert (tmp_path / "w.safetensors").stat().st_size < 6e6


@pytest.mark.slow
def test_command_says_what_it_takes():
    done = subprocess.run([sys.executable, "-m", "cytosae_nano.train", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--out" in done.stdout and "--steps" in done.stdout
