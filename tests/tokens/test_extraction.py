from __future__ import annotations

import threading
from collections import namedtuple

import numpy as np
import pytest
from token_parts import Images, Matrix, computer, contents, filled

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.tokens import TokenStore, extract


def _store(path, made=None):
    return TokenStore.open_or_create(path, (made or computer()).identity)


def test_second_call_computes_nothing(tmp_path):
    images, made = Images(range(100)), computer()
    store = _store(tmp_path / "s")
    first, second = extract(images, made, store), extract(images, made, store)
    assert (first.n_new, first.n_reused, first.n_left) == (100, 0, 0)
    assert (second.n_new, second.n_reused, second.n_left) == (0, 100, 0)


def test_repeated_content_is_computed_once(tmp_path):
    images = Images([1, 2, 1, 1])
    store = _store(tmp_path / "s")
    assert extract(images, computer(), store).n_new == 2
    assert store.rows(images.content_keys()).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_shards_one_after_another_give_the_same_store(tmp_path, order):
    images = Images(range(300), broken=[70])
    filled(tmp_path / "whole", images)
    left = []
    for i in order:
        left.append(extract(images, computer(), _store(tmp_path / "parts"), shard=(i, 3)).n_left)
    assert left[-1] == 0
    assert left[0] > left[1] > 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_shards_at_the_same_time_give_the_same_store(tmp_path):
    images = Images(range(500))
    filled(tmp_path / "whole", images)
    errors = []

    def part(i):
        try:
            made = computer(Matrix(seconds=0.002))
            extract(images, made, _store(tmp_path / "parts", made), shard=(i, 4))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=part, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_unreadable_images_are_skipped_listed_and_tried_again(tmp_path):
    store = _store(tmp_path / "s")
    found = extract(Images(range(80), broken=[3, 70]), computer(), store)
    assert [(item.path, item.reason) for item in found.skipped] == [
        ("image-3.png", "it is broken"),
        ("image-70.png", "it is broken"),
    ]
    assert (found.n_new, found.n_left) == (78, 0)
    before = contents(tmp_path / "s")
    again = extract(Images(range(80), broken=[3, 70]), computer(), store)
    assert (again.n_new, len(again.skipped)) == (0, 2)
    assert contents(tmp_path / "s") == before
    mended = extract(Images(range(80), broken=[70]), computer(), store)
    assert (mended.n_new, len(mended.skipped)) == (1, 1)
    assert store.rows(Images([3]).content_keys()).tolist() == [128]
    assert len(TokenStore.open(tmp_path / "s")) == 79


def test_strict_refuses_the_first_time_and_later(tmp_path):
    images, store = Images(range(80), broken=[3]), _store(tmp_path / "s")
    for _time in range(2):
        with pytest.raises(CytosaeError, match=r"image-3\.png cannot be read.*row 3.*without --strict"):
            extract(images, computer(), store, strict=True)
    extract(images, computer(), store)
    with pytest.raises(CytosaeError, match=r"image-3\.png"):
        extract(images, computer(), store, strict=True)


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0)])
def test_impossible_shard(tmp_path, shard):
    with pytest.raises(CytosaeError, match="Shards count from 0"):
        extract(Images(range(3)), computer(), _store(tmp_path / "s"), shard=shard)


def test_backbone_must_fit_the_store(tmp_path):
    with pytest.raises(CytosaeError, match=r"float16.*float32"):
        extract(Images(range(3)), computer(dtype="float32"), _store(tmp_path / "s"))


def test_stopping_keeps_complete_blocks(tmp_path):
    images, asked = Images(range(300)), []

    def stop():
        asked.append(1)
        return len(asked) == 2

    with pytest.raises(KeyboardInterrupt, match=r"128 images are kept.*same command"):
        extract(images, computer(), _store(tmp_path / "s"), stop=stop)
    assert len(_store(tmp_path / "s")) == 128
    extract(images, computer(), _store(tmp_path / "s"))
    filled(tmp_path / "whole", images)
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def test_ctrl_c_in_the_backbone_keeps_complete_blocks(tmp_path):
    class Interrupting(Matrix):
        def tokens(self, batch, layer):
            if len(self.batches) == 20:
                raise KeyboardInterrupt
            return super().tokens(batch, layer)

    with pytest.raises(KeyboardInterrupt, match="128 images are kept"):
        extract(Images(range(300)), computer(Interrupting()), _store(tmp_path / "s"))


@pytest.mark.parametrize("where", ["shard", "record"])
def test_a_crash_between_shard_and_record_leaves_no_half_block(tmp_path, monkeypatch, where):
    images = Images(range(200))
    filled(tmp_path / "whole", images)
    name = {"shard": "atomic_path", "record": "BlockRecord.write"}[where]
    real, calls = TokenStore.write_block, []

    def crash(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            target = f"cytosae_toolkit.tokens.store.{name}"
            with monkeypatch.context() as patched:
                patched.setattr(target, lambda *_: (_ for _ in ()).throw(RuntimeError("crash")))
                real(self, *arguments)
        real(self, *arguments)

    monkeypatch.setattr(TokenStore, "write_block", crash)
    with pytest.raises(RuntimeError, match="crash"):
        extract(images, computer(), _store(tmp_path / "s"))
    monkeypatch.setattr(TokenStore, "write_block", real)
    assert len(_store(tmp_path / "s")) == 64
    extract(images, computer(), _store(tmp_path / "s"))
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def test_too_little_disk_is_said_before_the_work(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("cytosae_toolkit.tokens.extraction.shutil.disk_usage", lambda _: usage(1000, 0, 1000))
    backbone = Matrix()
    with pytest.raises(CytosaeError, match=r"tokens of 50 images take 0\.00 GB.*only 0\.00 GB are free"):
        extract(Images(range(50)), computer(backbone), _store(tmp_path / "s"))
    assert backbone.batches == []


def test_resuming_keeps_the_batch_size_that_was_planned(tmp_path):
    images, backbone = Images(range(100)), Matrix()
    with pytest.raises(KeyboardInterrupt):
        extract(images, computer(batch_size=4), _store(tmp_path / "s"), stop=lambda: True)
    extract(images, computer(backbone, batch_size=16), _store(tmp_path / "s"))
    assert set(backbone.batches) == {4}


def test_order_of_the_table_is_the_order_of_the_rows(tmp_path):
    numbers = np.random.default_rng(0).permutation(100)
    store = filled(tmp_path / "s", Images(numbers))
    assert store.rows(Images(numbers).content_keys()).tolist() == list(range(100))
