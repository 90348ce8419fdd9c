"""Who belongs to whom, what each process computes on, and every meeting point of two real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cytosae_toolkit._torch_ranks import own_device
from cytosae_toolkit.distributed import ALONE, Place, open_ranks
from cytosae_toolkit.errors import CytosaeError

from .torchrun import torchrun

COMPLETE = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
COMPLETE |= {"MASTER_ADDR": "node0", "MASTER_PORT": "29500"}


def test_places():
    assert Place.of(COMPLETE) == Place(3, 4, 1, 2)
    assert Place.of({}) == Place.of({"RANK": "5"}) == Place.of({"WORLD_SIZE": "1"}) == Place(0, 1, 0, 1)
    one_machine = {name: value for name, value in COMPLETE.items() if not name.startswith("LOCAL")}
    assert Place.of(one_machine) == Place(3, 4, 3, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MASTER_ADDR": ""}, "WORLD_SIZE=4 says that several processes work together, but MASTER_ADDR is not set"),
        ({"RANK": "", "MASTER_PORT": ""}, "RANK and MASTER_PORT are not set"),
        ({"WORLD_SIZE": "many"}, "WORLD_SIZE='many' in the environment is not a number"),
        ({"RANK": "-1"}, "RANK='-1' in the environment is not a number"),
        ({"RANK": "4"}, "RANK=4 is not one of the 4 processes"),
        ({"LOCAL_RANK": "2"}, "LOCAL_RANK=2 not one of the 2"),
    ],
)
def test_broken_environments(change, message):
    with pytest.raises(CytosaeError, match=message):
        Place.of(COMPLETE | change)


def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    place = Place(3, 4, 1, 2)
    assert [own_device(device, place) for device in ("auto", "cuda", "cpu")] == ["cuda:1", "cuda:1", "cpu"]
    with pytest.raises(CytosaeError, match="4 processes cannot share the device 'cuda:1'"):
        own_device("cuda:1", place)
    with pytest.raises(CytosaeError, match="3 processes on this machine need as many GPUs; there are 2"):
        own_device("auto", Place(0, 3, 0, 3))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert own_device("auto", place) == "cpu"
    with pytest.raises(CytosaeError, match="PyTorch finds no CUDA GPU here"):
        own_device("cuda", place)


def test_a_process_alone_changes_nothing(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with open_ranks("auto") as ranks, ranks.in_turn():
        assert (ranks.rank, ranks.size, ranks.first, ranks.device) == (0, 1, True, "auto")
    x = torch.arange(3.0)
    for same in (ALONE.sum_(x), ALONE.mean_(x, 0.5), ALONE.min_(x), ALONE.broadcast_(x)):
        assert same is x
    assert x.tolist() == [0, 1, 2]
    assert (ALONE.total(7), ALONE.any(True), ALONE.any(False)) == (7, True, False)
    assert ALONE.broadcast_object({"a": 1}) == {"a": 1}


def test_a_process_alone_imports_no_torch():
    script = """
import sys
from cytosae_toolkit.distributed import open_ranks
with open_ranks():
    assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_two_processes_meet_and_tell_a_failure_once(tmp_path):
    log = tmp_path / "log"
    started = torchrun(Path(__file__).with_name("ranks_worker.py"), tmp_path, log=log)
    assert started.wait(timeout=240) != 0
    text = log.read_text()
    found = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1)]
    assert [each.pop("rank") for each in found] == [0, 1]
    assert found[0] == found[1]
    one = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    for name in ("sum", "sum of transposed"):
        assert found[0][name] == (3 * one).tolist()
    assert found[0]["sum of strided"] == (3 * torch.cat([one, one], dim=1)[:, ::2]).tolist()
    assert found[0]["mean"] == (1.75 * one).tolist()
    assert (found[0]["min"], found[0]["first"]) == (one.tolist(), one.tolist())
    assert found[0]["object"] == {"name": "Zelle é", "rank": 0}
    assert (found[0]["total"], found[0]["any"], found[0]["device"]) == (11, [True, False], "cpu")
    assert text.count("This cannot work.") == 1, text
    assert "cytosae_toolkit/" not in text  # no traceback of it
