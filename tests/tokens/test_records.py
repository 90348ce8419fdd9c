from __future__ import annotations

import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.tokens.records import BlockRecord, Plan, block_paths, planned_blocks

KEYS = tuple(f"{i:032x}" for i in range(300))


def test_block_record_round_trip(tmp_path):
    record = BlockRecord(12, KEYS[:3], {1: "it is broken"}, "ab")
    record.write(tmp_path)
    (path,) = block_paths(tmp_path).values()
    assert path.name == "block-00000012.json"
    assert BlockRecord.read(path) == record
    assert record.present.tolist() == [True, False, True]


def test_record_under_another_name_is_refused(tmp_path):
    BlockRecord(1, KEYS[:3], {}, "ab").write(tmp_path)
    wrong = (tmp_path / "block-00000001.json").rename(tmp_path / "block-00000002.json")
    with pytest.raises(CytosaeError, match="damaged"):
        BlockRecord.read(wrong)


@pytest.mark.parametrize("n_shards", [1, 2, 3, 7])
def test_shards_of_a_plan_are_contiguous_and_cover_it(n_shards):
    plan = Plan(10, KEYS, 8)
    parts = [plan.part(i, n_shards) for i in range(n_shards)]
    assert [block for part in parts for block in part] == list(plan.blocks) == [10, 11, 12, 13, 14]
    assert sum((plan.block_keys(block) for block in plan.blocks), ()) == KEYS


def test_plans_are_found_by_table(tmp_path):
    assert planned_blocks(tmp_path) == 0
    Plan(0, KEYS, 8).write(tmp_path, "a" * 32)
    Plan(5, KEYS[:1], 8).write(tmp_path, "b" * 32)
    assert planned_blocks(tmp_path) == 6
    assert Plan.find(tmp_path, "a" * 32) == [Plan(0, KEYS, 8)]
    assert Plan.find(tmp_path, "c" * 32) == []


def test_damaged_plan_is_named(tmp_path):
    Plan(0, KEYS, 8).write(tmp_path, "a" * 32)
    (path,) = tmp_path.iterdir()
    path.write_text("{}")
    with pytest.raises(CytosaeError, match=path.name):
        Plan.find(tmp_path, "a" * 32)
