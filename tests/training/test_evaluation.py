from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.images import read_images
from cytosae_toolkit.tokens import TokenStore
from cytosae_toolkit.training import train
from cytosae_toolkit.training.evaluation import IMAGES_AT_ONCE, chunks_of, evaluate, measure_images
from cytosae_toolkit.training.metrics import measure

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


class Tokens:
    """The tokens of 40 images, made by formula."""

    n_tokens, d_model = 5, 6

    def __init__(self):
        self.values = np.random.default_rng(0).normal(size=(40, 5, 6)).astype(np.float16)

    def __len__(self):
        return len(self.values)

    def read(self, indices):
        assert len(indices) <= IMAGES_AT_ONCE
        return self.values[indices]


def test_chunks_are_the_same_each_time_and_float32():
    chunks = chunks_of(Tokens(), np.array([3, 1, *range(10, 30)]))
    first, second = torch.cat(list(chunks())), torch.cat(list(chunks()))
    assert torch.equal(first, second)
    assert first.dtype == torch.float32
    np.testing.assert_array_equal(first[:2].numpy(), Tokens().values[[3, 1]].astype(np.float32))
    assert torch.cat(list(chunks_of(Tokens())())).shape == (40, 5, 6)


def test_progress_counts_every_image_once(toy):
    from contextlib import contextmanager

    seen = {"total": 0, "done": 0}

    class Recorder:
        @contextmanager
        def task(self, description, total, unit, done=0):
            seen["total"] = total
            yield self

        def advance(self, n=1):
            seen["done"] += n

    found = measure_images(toy(), Tokens(), np.arange(33), prefix_tokens=1, progress=Recorder())
    assert seen["done"] == seen["total"] == 33
    assert found == measure(toy(), chunks_of(Tokens(), np.arange(33)), prefix_tokens=1)


def test_a_run_is_measured_on_images_of_your_choice(tiny_config, tiny_images):
    run = train(tiny_config(held_out=0.0))
    found = evaluate(run, read_images(tiny_images), device="cpu")
    assert (found["n_images"], found["skipped"]) == (24, [])
    trained = dict(run.evaluation["train"])
    assert {name: found[name] for name in trained} == trained  # the very same images


def test_unreadable_and_double_images_are_listed(tiny_config, tiny_images, tmp_path):
    run = train(tiny_config(steps=5))
    images = Path(shutil.copytree(tiny_images, tmp_path / "images"))
    (images / "blast" / "broken.png").write_bytes(b"nonsense")
    shutil.copy(images / "blast" / "blast-00.png", images / "blast" / "double.png")
    found = evaluate(run, read_images(images), device="cpu")
    assert found["n_images"] == 24
    assert {Path(item["path"]).name for item in found["skipped"]} == {"broken.png", "double.png"}


def test_the_runs_own_token_store_is_used_unless_it_is_gone(tiny_config, tiny_images, tmp_path):
    run = train(tiny_config(steps=5, tokens=tmp_path / "store"))
    expected = evaluate(run, read_images(tiny_images), device="cpu")
    assert len(TokenStore.open(tmp_path / "store")) == 24
    assert not (cache_folder() / "tokens").exists()
    shutil.rmtree(tmp_path / "store")
    assert evaluate(run, read_images(tiny_images), device="cpu") == expected
    assert (cache_folder() / "tokens").exists()


def test_a_store_may_be_named_or_left_out(tiny_config, tiny_images, tmp_path):
    run = train(tiny_config(steps=5, token_store=False))
    table = read_images(tiny_images)
    live = evaluate(run, table, device="cpu", token_options={"no_store": True})
    assert not (cache_folder() / "tokens").exists()
    assert evaluate(run, table, device="cpu", token_options={"store": tmp_path / "mine"}) == live
    assert len(TokenStore.open(tmp_path / "mine")) == 24


def test_runs_of_a_demonstration_backbone_are_measured_too(tiny_config, tiny_images):
    config = tiny_config(backbone="nano", backbone_options={"untrained": True}, steps=2, expansion=1.0)
    assert evaluate(train(config), read_images(tiny_images), device="cpu")["n_images"] == 24
