from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.tokens import TokenBatches, TokenIdentity, sample_tokens
from cytosae_toolkit.tokens.batches import permutation


class Numbered:
    """A token set whose token `t` of image `i` is ``[i, t]``."""

    def __init__(self, n_images, n_tokens=5):
        self.identity = TokenIdentity("f" * 32, 0, "float32", "float32", (n_tokens,), 0, 2)
        self.n_images, self.n_tokens, self.d_model = n_images, n_tokens, 2
        self.n_read = 0

    def __len__(self):
        return self.n_images

    def read(self, indices):
        images = np.asarray(indices)
        self.n_read += len(images)
        tokens = np.broadcast_to(np.arange(self.n_tokens), (len(images), self.n_tokens))
        return np.stack([np.repeat(images[:, None], self.n_tokens, 1), tokens], -1).astype(np.float32)


SIZES = st.tuples(st.integers(1, 12), st.integers(1, 40), st.integers(1, 5))


@given(SIZES, st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_every_token_comes_once_per_epoch(sizes, seed):
    n_images, batch, window = sizes
    batches = TokenBatches(Numbered(n_images), seed=seed, batch_tokens=batch, window_images=window)
    epoch = 5 * n_images
    stream = torch.cat([batches.batch(t) for t in range(-(-2 * epoch // batch))])
    for start in (0, epoch):
        found = {tuple(token) for token in stream[start : start + epoch].int().tolist()}
        assert len(found) == epoch


@pytest.mark.parametrize("sizes", [{"batch_tokens": 37}, {"batch_images": 3}])
def test_pinned_batches_are_made_in_page_locked_memory_as_stored(monkeypatch, sizes):
    asked, empty = [], torch.empty

    def note(shape, *, dtype, pin_memory):
        asked.append(pin_memory)
        return empty(shape, dtype=dtype)

    monkeypatch.setattr(torch, "empty", note)

    class Halves(Numbered):
        def read(self, indices):
            return super().read(indices).astype(np.float16)

    usual, pinned = (TokenBatches(Halves(12), seed=1, window_images=5, pinned=way, **sizes) for way in (False, True))
    for one, other in zip(usual.iterate(0, 4), pinned.iterate(0, 4), strict=True):
        assert (one.dtype, other.dtype) == (torch.float32, torch.float16)
        assert torch.equal(one, other.float())
    assert set(asked) == {False, True}


@given(SIZES, st.integers(0, 100), st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_iterating_from_anywhere_equals_random_access(sizes, seed, start):
    n_images, batch, window = sizes
    tokens = Numbered(n_images)
    ahead = TokenBatches(tokens, seed=seed, batch_tokens=batch, window_images=window)
    direct = TokenBatches(tokens, seed=seed, batch_tokens=batch, window_images=window)
    for t, found in enumerate(ahead.iterate(start, 7), start):
        assert found.dtype == torch.float32
        assert found.shape == (batch, 2)
        assert torch.equal(found, direct.batch(t))


def test_whole_images():
    batches = TokenBatches(Numbered(7), seed=3, batch_images=3)
    assert batches.batch_tokens == 15
    found = torch.cat(list(batches.iterate(0, 7)))
    assert found.shape == (21, 5, 2)
    for epoch in range(3):
        images = found[7 * epoch : 7 * epoch + 7]
        assert sorted(images[:, 0, 0].int().tolist()) == list(range(7))
        assert (images[:, :, 1] == torch.arange(5)).all()
    assert torch.equal(found[6:9], batches.batch(2))


def test_seed_and_epoch_change_the_order():
    batches = TokenBatches(Numbered(20), seed=0, batch_tokens=100)
    other = TokenBatches(Numbered(20), seed=1, batch_tokens=100)
    assert not torch.equal(batches.batch(0), other.batch(0))
    assert not torch.equal(batches.batch(0), batches.batch(1))


def test_windows_mix_tokens_of_their_images_only():
    batches = TokenBatches(Numbered(40), seed=0, batch_tokens=50, window_images=10)
    images = [set(batches.batch(t)[:, 0].int().tolist()) for t in range(4)]
    assert [len(found) for found in images] == [10] * 4
    assert set().union(*images) == set(range(40))


def test_permutation_is_pinned():
    """The order is part of the format: a run resumed by a later release must see the same batches."""
    assert permutation(10, 1, 0, 0).tolist() == [2, 0, 1, 4, 5, 6, 7, 8, 3, 9]
    assert sorted(permutation(1000, 2, 5, 1, 3).tolist()) == list(range(1000))


def test_leaving_early_stops_the_threads():
    batches = TokenBatches(Numbered(50), seed=0, batch_tokens=10, window_images=5)
    for t, _ in enumerate(batches.iterate(0, 1000)):
        if t == 3:
            break
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("cytosae-window", "cytosae-batch"))]
    assert batches.batch(4).shape == (10, 2)


def test_errors_of_reading_reach_the_trainer():
    class Damaged(Numbered):
        def read(self, indices):
            raise CytosaeError("The store is damaged.")

    with pytest.raises(CytosaeError, match="damaged"):
        next(TokenBatches(Damaged(5), seed=0, batch_tokens=3).iterate(0, 2))


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"batch_tokens": 3, "batch_images": 2},
        {"batch_tokens": 0},
        {"batch_images": -1},
        {"batch_tokens": 3, "window_images": 0},
    ],
)
def test_impossible_sizes(sizes):
    with pytest.raises(CytosaeError, match="A batch needs"):
        TokenBatches(Numbered(5), seed=0, **sizes)


def test_no_images():
    with pytest.raises(CytosaeError, match="no images"):
        TokenBatches(Numbered(0), seed=0, batch_tokens=3)


@given(st.integers(1, 200), st.integers(0, 2000), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_sample_has_no_repeats(n_images, n, seed):
    found = sample_tokens(Numbered(n_images), n, seed=seed)
    assert found.shape == (min(n, 5 * n_images), 2)
    assert len({tuple(token) for token in found.int().tolist()}) == len(found)
    assert torch.equal(found, sample_tokens(Numbered(n_images), n, seed=seed))


def test_sample_is_uniform_over_tokens_and_reads_only_what_it_needs():
    counts = np.zeros((30, 5))
    for seed in range(400):
        tokens = Numbered(30)
        chosen = sample_tokens(tokens, 15, seed=seed).int().numpy()
        np.add.at(counts, (chosen[:, 0], chosen[:, 1]), 1)
        assert tokens.n_read == len(np.unique(chosen[:, 0]))
    assert abs(counts - 40).max() < 5 * np.sqrt(40)


@given(SIZES, st.integers(1, 6), st.booleans(), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_the_parts_in_order_are_the_batch(sizes, n, whole, step):
    n_images, batch, window = sizes
    size = {"batch_images" if whole else "batch_tokens": max(batch, n)}
    make = partial(TokenBatches, Numbered(n_images), seed=4, window_images=window, **size)
    parts = [make(part=(i, n)) for i in range(n)]
    assert torch.equal(torch.cat([part.batch(step) for part in parts]), make().batch(step))
    assert torch.equal(torch.cat([list(part.iterate(step, 3))[2] for part in parts]), make().batch(step + 2))
    assert sum(part.share for part in parts) == pytest.approx(1)
    assert all(part.share == len(part.batch(step)) / max(batch, n) for part in parts)


def test_of_whole_images_only_those_of_the_part_are_read():
    tokens = Numbered(40)
    TokenBatches(tokens, seed=0, batch_images=10, part=(2, 5)).batch(0)
    assert tokens.n_read == 8


def test_of_shuffled_tokens_only_those_of_the_part_are_kept():
    """Several reads of a window, whose last is a short one."""
    tokens = Numbered(150, n_tokens=9)
    make = partial(TokenBatches, tokens, seed=2, batch_tokens=100, window_images=140)
    parts = [make(part=(i, 3)) for i in range(3)]
    for epoch, window in ((0, 0), (0, 1), (2, 0)):
        n = 9 * (140, 10)[window]
        kept = [part._read(epoch, window).units for part in parts]
        assert sum(map(len, kept)) == n
        assert max(map(len, kept)) < 0.4 * n
        assert len({tuple(token) for units in kept for token in units.tolist()}) == n
    step = 9 * 140 // 100  # of both windows
    assert torch.equal(torch.cat([part.batch(step) for part in parts]), make().batch(step))


def test_a_batch_has_something_for_every_part():
    with pytest.raises(CytosaeError, match="A batch of 3 images cannot be shared by 4 processes"):
        TokenBatches(Numbered(9), seed=0, batch_images=3, part=(0, 4))
