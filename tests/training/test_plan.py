from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from cytosae_relu_l1 import ReluL1Options
from cytosae_relu_l1.sae import build

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training.config import TrainConfig
from cytosae_toolkit.training.plan import (
    Plan,
    disk_available,
    duration,
    fit_batch,
    memory_available,
    run_disk,
    seconds_per_call,
    size,
    step_memory,
    step_seconds,
)
from cytosae_toolkit.training.sizes import Sizes


def config(**values) -> TrainConfig:
    return TrainConfig(images="cells", out="run", **values)


PLAN = Plan(
    n_images=100,
    n_train=90,
    n_held_out=10,
    split_unit="patient",
    tokens_per_image=257,
    sizes=Sizes(d_model=768, d_sae=49_152, batch_tokens=4096, steps=1000, warmup_steps=50),
    images_to_read=40,
    memory_bytes=8_000_000_000,
    memory_available=10_000_000_000,
    disk_bytes=2_000_000_000,
    disk_available=3_000_000_000,
    seconds_tokens=30,
    seconds_training=3600 * 3,
)


def test_a_plan_says_everything_before_it_starts():
    text = "\n".join(PLAN.lines())
    for part in (
        "100 (90 to learn from, 10 held out by patient)", "25,700 of length 768", "40 images still to read",
        "49,152 (expansion 64)", "1,000 of 4,096 tokens", "3.0 h", "8.0 GB of 10.0 GB", "2.0 GB of 3.0 GB",
    ):  # fmt: skip
        assert part in text
    assert PLAN.to_json()["d_sae"] == 49_152
    assert "sizes" not in PLAN.to_json()


def test_what_fits_is_not_refused():
    PLAN.check()


def test_too_little_memory_is_refused():
    with pytest.raises(CytosaeError, match=r"needs about 8\.0 GB of memory, 8\.5 GB are free\. Lower --batch-tokens"):
        replace(PLAN, memory_available=8_500_000_000).check()  # a tenth stays free


SHARED = replace(PLAN, memory_bytes=2_000_000_000, processes=4)


def test_processes_that_share_the_memory_of_a_machine_are_counted_together():
    assert "Memory    about 2.0 GB in each of 4 processes, 8.0 GB together, of 10.0 GB free" in SHARED.lines()
    SHARED.check()
    message = r"needs about 8\.0 GB of memory for 4 processes, 8\.5 GB are free\..*or start fewer processes"
    with pytest.raises(CytosaeError, match=message):
        replace(SHARED, memory_available=8_500_000_000).check()


def test_processes_with_a_gpu_each_are_not_added_up():
    apart = replace(PLAN, processes=4, devices=4)
    assert "Memory    about 8.0 GB on each of 4 GPUs, of 10.0 GB free on one" in apart.lines()
    apart.check()
    with pytest.raises(CytosaeError, match=r"needs about 8\.0 GB of memory, 8\.5 GB are free\."):
        replace(apart, memory_available=8_500_000_000).check()


def test_a_process_among_others_needs_memory_for_its_share_of_batch_and_window():
    sizes = Sizes(d_model=64, d_sae=512, batch_tokens=256, steps=1, warmup_steps=1)
    sae = Mock(step_bytes=lambda n_tokens: 1000 * n_tokens)
    weights = step_memory(replace(sizes, batch_tokens=0), sae, 0)
    assert step_memory(sizes, sae, 80) == weights + 256_000 + 240
    assert step_memory(sizes, sae, 80, n_ranks=4) == weights + 64_000 + 60
    assert step_memory(sizes, sae, 0, n_ranks=3) == weights + 86_000  # the largest share


def test_too_small_a_disk_is_refused():
    with pytest.raises(CytosaeError, match=r"2\.0 GB of disk, 1\.5 GB are free\. Free some space.*--no-token-store"):
        replace(PLAN, disk_available=1_500_000_000).check()


def sae_of(sizes):
    return build(sizes.d_model, sizes.d_sae, ReluL1Options())


def test_memory_grows_with_every_size():
    base = Sizes(d_model=64, d_sae=512, batch_tokens=256, steps=1, warmup_steps=1)
    need = step_memory(base, sae_of(base), 1000)
    assert need > 4 * 2 * 64 * 512 * 4  # weights, gradients, two moments
    for change in ({"d_model": 128}, {"d_sae": 1024}, {"batch_tokens": 512}):
        other = replace(base, **change)
        assert step_memory(other, sae_of(other), 1000) > need
    assert step_memory(base, sae_of(base), 2000) > need
    assert run_disk(base) >= 3 * 2 * 64 * 512 * 4  # weights and moments of a checkpoint


def test_a_batch_that_nobody_asked_for_is_halved_until_it_fits():
    sizes = Sizes(d_model=8, d_sae=16, batch_tokens=4096, steps=100, warmup_steps=1)

    def fitted(sizes, available, **values):
        return fit_batch(config(**values), sizes, lambda sizes: 10_000 * sizes.batch_tokens, available)

    available = int(10_000 * 1024 / 0.89)
    found = fitted(sizes, available)
    assert found.batch_tokens == 1024
    assert found.steps * found.batch_tokens == sizes.steps * sizes.batch_tokens  # each token is shown as often
    assert fitted(replace(sizes, steps=9), available, steps=9).steps == 9
    assert fitted(sizes, 1).batch_tokens == 256
    assert fitted(sizes, 1, batch_tokens=4096) == sizes  # the user's word


def test_trials_expect_more_time_for_more_work():
    small = Sizes(d_model=16, d_sae=64, batch_tokens=64, steps=1, warmup_steps=1)
    large = replace(small, d_sae=4096 * 8, batch_tokens=1024 * 8)
    assert 0 < step_seconds(small, sae_of(small), "cpu") < step_seconds(large, sae_of(large), "cpu")


def test_the_best_of_a_few_calls_counts(monkeypatch):
    clock, calls = iter([0.0, 5.0, 5.0, 5.1, 5.1, 99.0]), []
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert seconds_per_call(lambda: calls.append(1), seconds=5.05) == pytest.approx(0.1)
    assert len(calls) == 3  # one to warm up


def test_free_space_of_a_folder_to_come(tmp_path):
    assert disk_available(tmp_path / "a" / "b") == pytest.approx(disk_available(tmp_path), rel=0.1)
    assert disk_available(Path("relative/folder")) > 0
    assert memory_available("cpu") > 0


def test_amounts_read_well():
    assert [duration(s) for s in (0.4, 89, 200, 3 * 3600, 100 * 3600)] == ["0 s", "89 s", "3 min", "3.0 h", "4.2 days"]
    assert [size(n) for n in (12, 3400, 5.6e6, 7.8e9, 9.1e12)] == ["12 B", "3 kB", "5.6 MB", "7.8 GB", "9.1 TB"]
