from __future__ import annotations

import errno

import pytest
import torch

from cytosae_toolkit.errors import CytosaeError, NotFiniteError
from cytosae_toolkit.interfaces.sae import StepContext
from cytosae_toolkit.training.state import (
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
    state_tensors,
)


@pytest.fixture
def pair(toy):
    """Return a function that makes an SAE with its optimiser, some steps old."""

    def make(steps: int = 3, d_sae: int = 24):
        sae = toy(6, d_sae)
        optimizer = torch.optim.Adam(sae.parameters(), lr=1e-2)
        for step in range(steps):
            optimizer.zero_grad()
            terms = sae.loss(torch.ones(4, 6) + step, StepContext(step, torch.Generator().manual_seed(step)))
            sum(terms.values()).backward()
            optimizer.step()
        return sae, optimizer

    return make


def test_everything_that_changes_is_saved(pair, tmp_path):
    sae, optimizer = pair()
    assert set(state_tensors(sae, optimizer)) == {
        "buffer.steps_since_fired",
        *(f"sae.{name}" for name in ("W_enc", "b_enc", "W_dec", "b_dec", "gain")),
        *(
            f"adam.{name}.{moment}"
            for name in ("W_enc", "b_enc", "W_dec", "b_dec", "gain")
            for moment in ("step", "exp_avg", "exp_avg_sq")
        ),
    }
    save_checkpoint(tmp_path, 3, sae, optimizer)
    other, its_optimizer = pair(steps=0)
    load_checkpoint(latest_checkpoint(tmp_path), other, its_optimizer)
    for name, tensor in state_tensors(sae, optimizer).items():
        assert torch.equal(tensor, state_tensors(other, its_optimizer)[name]), name


def test_loading_does_not_share_memory_with_what_it_read(pair, tmp_path):
    sae, optimizer = pair()
    checkpoint = save_checkpoint(tmp_path, 3, sae, optimizer)
    before = (checkpoint.path / "state.safetensors").read_bytes()
    load_checkpoint(checkpoint, sae, optimizer)
    sae.W_enc.data += 1
    optimizer.state[sae.W_enc]["exp_avg"] += 1
    assert (checkpoint.path / "state.safetensors").read_bytes() == before


def test_only_the_newest_is_kept(pair, tmp_path):
    sae, optimizer = pair()
    for step in (3, 12, 7):
        save_checkpoint(tmp_path, step, sae, optimizer)
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["step-00000007"]


def test_the_newest_complete_one_counts(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    for name, complete in (("step-00000009", True), ("step-00000010", True), ("step-00000011", False), ("notes", True)):
        (tmp_path / "state" / name).mkdir(parents=True)
        if complete:
            (tmp_path / "state" / name / "part.json").write_text("{}")
    assert latest_checkpoint(tmp_path).step == 10


def test_a_parameter_that_is_not_finite_is_refused_and_the_last_state_kept(pair, tmp_path):
    sae, optimizer = pair()
    save_checkpoint(tmp_path, 3, sae, optimizer)
    sae.b_enc.data[0] = float("nan")
    with pytest.raises(NotFiniteError, match="sae.b_enc is not finite after step 4"):
        save_checkpoint(tmp_path, 4, sae, optimizer)
    assert latest_checkpoint(tmp_path).step == 3


def test_a_full_disk_keeps_the_last_state(pair, tmp_path, monkeypatch):
    sae, optimizer = pair()
    save_checkpoint(tmp_path, 3, sae, optimizer)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cytosae_toolkit.training.state.save_file", full)
    with pytest.raises(CytosaeError, match=r"disk is full.*--resume"):
        save_checkpoint(tmp_path, 4, sae, optimizer)
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["step-00000003"]


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"nonsense" * 9]
)
def test_a_damaged_checkpoint_is_a_sentence(pair, tmp_path, damage):
    checkpoint = save_checkpoint(tmp_path, 3, *pair())
    file = checkpoint.path / "state.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CytosaeError, match=r"checkpoint .* is damaged.*--force"):
        load_checkpoint(checkpoint, *pair(steps=0))


def test_a_checkpoint_of_another_sae_is_a_sentence(pair, tmp_path):
    checkpoint = save_checkpoint(tmp_path, 3, *pair())
    with pytest.raises(CytosaeError, match="belongs to another SAE"):
        load_checkpoint(checkpoint, *pair(steps=0, d_sae=12))
    (checkpoint.path / "part.json").write_text('{"tensors": 99}')
    with pytest.raises(CytosaeError, match="belongs to another SAE"):
        load_checkpoint(checkpoint, *pair(steps=0))
