"""Checkpoints: all that a bit-exact resume needs, as safetensors and JSON, complete or absent.

A batch, a seed and a learning rate are functions of the step alone, so the state is: the parameters, Adam's moments
and the firing counters after `step` finished steps.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cytosae_toolkit.errors import CytosaeError, NotFiniteError
from cytosae_toolkit.files import atomic_folder, read_json, write_json
from cytosae_toolkit.interfaces.sae import SparseAutoencoder

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
_FOLDER = re.compile(r"step-(\d{8})")


@dataclass(frozen=True)
class Checkpoint:
    """A saved state.

    Parameters
    ----------
    path : Path
        Its folder.
    step : int
        Number of finished steps.
    """

    path: Path
    step: int


def latest_checkpoint(run: Path) -> Checkpoint | None:
    """Return the newest complete checkpoint of a run folder, or None."""
    found = [
        Checkpoint(folder, int(match[1]))
        for folder in (run / "state").glob("step-*")
        if (match := _FOLDER.fullmatch(folder.name)) and (folder / "part.json").is_file()
    ]
    return max(found, key=lambda checkpoint: checkpoint.step, default=None)


def save_checkpoint(run: Path, step: int, sae: SparseAutoencoder, optimizer: torch.optim.Adam) -> Checkpoint:
    """Save the state after `step` finished steps and remove older ones.

    Raises
    ------
    NotFiniteError
        If a parameter is NaN or infinite: the last good state is kept.
    CytosaeError
        If the disk is full.
    """
    tensors = state_tensors(sae, optimizer)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise NotFiniteError(f"{name} is not finite after step {step}; the last good state is kept.")
    folder = run / "state" / f"step-{step:08d}"
    if not (folder / "part.json").is_file():
        with atomic_folder(folder) as temporary:
            save_file(tensors, temporary / "state.safetensors")
            write_json(temporary / "part.json", {"step": step, "tensors": len(tensors)})
    for other in (run / "state").iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return Checkpoint(folder, step)


def load_checkpoint(checkpoint: Checkpoint, sae: SparseAutoencoder, optimizer: torch.optim.Adam) -> None:
    """Put a saved state into an SAE and its optimiser.

    Raises
    ------
    CytosaeError
        If the files are damaged or belong to another SAE.
    """
    try:
        tensors = load_file(checkpoint.path / "state.safetensors")
        expected = read_json(checkpoint.path / "part.json")["tensors"]
    except (OSError, SafetensorError, KeyError) as error:
        raise CytosaeError(
            f"The checkpoint {checkpoint.path} is damaged: {error}.", "Start afresh with --force."
        ) from error
    weights = weight_tensors(sae)
    fits = all(name in tensors and tensors[name].shape == target.shape for name, target in weights.items())
    if len(tensors) != expected or not fits:
        raise CytosaeError(f"The checkpoint {checkpoint.path} belongs to another SAE.", "Start afresh with --force.")
    with torch.no_grad():
        for name, target in weights.items():
            target.copy_(tensors[name])
    for name, parameter in sae.named_parameters():
        if f"adam.{name}.step" in tensors:
            optimizer.state[parameter] = {
                moment: _placed(moment, tensors[f"adam.{name}.{moment}"], parameter) for moment in MOMENTS
            }


def _placed(moment: str, value: Tensor, parameter: Tensor) -> Tensor:
    # a fused Adam on the GPU keeps its step counter there, otherwise it stays on the CPU
    if moment == "step":
        return value.clone() if parameter.device.type == "cpu" else value.to(parameter.device)
    return torch.empty_like(parameter).copy_(value)  # fused Adam wants moments laid out in memory as the parameter


def weight_tensors(sae: SparseAutoencoder) -> dict[str, Tensor]:
    """Return parameters (`sae.…`) and buffers (`buffer.…`), the firing counters among them, sharing memory."""
    weights = {f"sae.{name}": parameter.detach() for name, parameter in sae.named_parameters()}
    return weights | {f"buffer.{name}": buffer for name, buffer in sae.named_buffers()}


def state_tensors(sae: SparseAutoencoder, optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """Return everything that changes during training, by name, on the CPU."""
    tensors = weight_tensors(sae)
    for name, parameter in sae.named_parameters():
        moments = optimizer.state.get(parameter, {})  # absent while a parameter never had a gradient
        tensors |= {f"adam.{name}.{moment}": moments[moment] for moment in MOMENTS if moment in moments}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
