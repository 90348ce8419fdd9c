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
    Sizes,
    default_expansion,
    default_steps,
    disk_available,
    duration,
    fit_batch,
    memory_available,
    resolve_sizes,
    run_disk,
    seconds_per_call,
    size,
    step_memory,
    step_seconds,
)


def config(**values) -> TrainConfig:
    return TrainConfig(images="cells", out="run", **values)


def sizes_of(n_images: int = 100, tokens_per_image: int = 257, **values) -> Sizes:
    return resolve_sizes(config(**values), d_model=768, n_images=n_images, tokens_per_image=tokens_per_image)


def test_what_is_given_is_taken():
    found = sizes_of(expansion=2.5, steps=1000, batch_tokens=500, warmup_steps=7)
    assert found == Sizes(d_model=768, d_sae=1920, batch_tokens=500, steps=1000, warmup_steps=7)
    assert sizes_of(d_sae=33).d_sae == 33
    assert sizes_of(batch_images=10).batch_tokens == 2570
    assert sizes_of(warmup_steps=0).warmup_steps == 0


def test_size_and_steps_follow_the_data():
    small, large = sizes_of(n_images=20), sizes_of(n_images=41_906)
    assert small.d_sae < large.d_sae == 64 * 768
    assert small.steps * small.batch_tokens == pytest.approx(4_000_000, rel=0.01)
    assert large.steps * large.batch_tokens == pytest.approx(257_000_000, rel=0.01)  # as many as the paper's


def test_more_data_never_mean_fewer_latents_or_steps():
    amounts = [10**k for k in range(2, 9)]
    for values in ([default_expansion(n) for n in amounts], [default_steps(n, 100) for n in amounts]):
        assert values == sorted(values)


def test_the_warm_up_is_500_steps_and_at_most_a_twentieth():
    assert sizes_of(steps=100_000).warmup_steps == 500
    assert sizes_of(steps=200).warmup_steps == 10
    assert sizes_of(steps=3).warmup_steps == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_images": 101}, r"batch of 101 images is more than the 100 training images\. Lower --batch-images"),
        ({"batch_tokens": 25_701}, r"batch of 25701 tokens is more than the 25700 tokens.*Lower --batch-tokens"),
    ],
    ids=["images", "tokens"],
)
def test_fewer_images_than_a_batch_are_refused(values, message):
    with pytest.raises(CytosaeError, match=message):
        sizes_of(**values)


def test_a_small_set_makes_a_small_batch():
    assert sizes_of(n_images=2).batch_tokens == 514


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
    sizes = sizes_of()
    sae = Mock(step_bytes=lambda n_tokens: 10_000 * n_tokens)
    available = step_memory(replace(sizes, batch_tokens=1024), sae, 0) / 0.89
    found = fit_batch(config(), sizes, sae, int(available), 0)
    assert found.batch_tokens == 1024
    assert found.steps * found.batch_tokens == sizes.steps * sizes.batch_tokens  # each token is shown as often
    assert fit_batch(config(steps=9), replace(sizes, steps=9), sae, int(available), 0).steps == 9
    assert fit_batch(config(), sizes, sae, 1, 0).batch_tokens == 256
    assert fit_batch(config(batch_tokens=4096), sizes, sae, 1, 0) == sizes  # the user's word


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
