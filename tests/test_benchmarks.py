"""The programs that measure run at a tiny size, and their ratios are those of the times."""

from __future__ import annotations

import pytest

from benchmarks import atlas_build, measuring, training_step


def test_a_step_is_measured_against_the_published_one_and_the_product():
    found = training_step.times(1, 64, 2)
    assert {name: set(taken) for name, taken in found.items()} == {
        "no dead latents": {"product", "dense", "ours"},
        "60 % dead": {"product", "dense", "ours", "ours, ghosts on 1/8"},
    }
    assert all(len(seconds) == 2 for taken in found.values() for seconds in taken.values())


def test_the_rows_of_a_gpu_follow_from_the_times():
    taken = {"product": [0.01] * 3, "dense": [2.0] * 3, "ours": [0.1] * 3}
    rows = {what: result for what, result, _ in training_step.report_on_gpu({"no dead latents": taken}, 64)}
    assert rows["step, no dead latents: times faster"] == "20.00 (20.00 to 20.00)"
    assert rows["step, no dead latents: five encoder products / step"].startswith("0.50 ")
    assert rows["step, no dead latents: projected time of 257 M tokens"] == "26.0 min"


def test_calls_take_turns_and_the_first_turn_does_not_count():
    calls = []
    found = measuring.interleaved({name: lambda name=name: calls.append(name) for name in "ab"}, 2)
    assert calls == list("ababab")
    assert [len(seconds) for seconds in found.values()] == [2, 2]


@pytest.mark.slow
def test_building_is_measured_block_by_block(tmp_path):
    found = atlas_build.scale((70,), latents=64)
    assert found[70]["seconds per image"] > 0
    assert "70 images:" in atlas_build.scale_table(found)
