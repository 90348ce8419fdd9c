"""Data parallelism: what the processes of one training agree on, and how they add up what each has computed."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import torch

from cytosae_toolkit.distributed import Ranks
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.training.provenance import images_digest
from cytosae_toolkit.training.sizes import Sizes
from cytosae_toolkit.training.state import weight_tensors

if TYPE_CHECKING:
    from cytosae_toolkit.training.preparing import Prepared


def agree(prepared: Prepared, ranks: Ranks) -> Prepared:
    """Return the preparation with the sizes of the first process, which may have found another memory.

    Raises
    ------
    CytosaeError
        If processes read other images, backbones or layers.
    """
    if ranks.size == 1:
        return prepared
    seen = {
        "set of images": images_digest(prepared.images, prepared.split),
        "backbone": prepared.backbone.fingerprint,
        "layer": prepared.layer,
        "precision": prepared.precision,
    }
    first = ranks.broadcast_object({"seen": seen, "sizes": asdict(prepared.sizes)})
    for what, value in first["seen"].items():
        if seen[what] != value:
            raise CytosaeError(
                f"Process {ranks.rank} has a different {what} than the first one ({seen[what]!r}, there {value!r}).",
                "Give all processes the same input, and machines the same files.",
            )
    plan = replace(
        prepared.plan,
        sizes=Sizes(**first["sizes"]),
        seconds_tokens=prepared.plan.seconds_tokens / ranks.size,
        seconds_training=prepared.plan.seconds_training / ranks.size,
    )
    return replace(prepared, plan=plan)


def check_same_state(step: int, ranks: Ranks) -> None:
    """Refuse to go on where processes have read different checkpoints.

    Raises
    ------
    CytosaeError
        If this process has not read what the first one has.
    """
    first = ranks.broadcast_object(step)
    if step != first:
        raise CytosaeError(
            f"Process {ranks.rank} finds a state after step {step}, the first one after step {first}.",
            "Place --out on a disk that all machines share.",
        )


def share_weights(sae: SparseAutoencoder, ranks: Ranks) -> None:
    """Give every process the parameters and buffers of the first one."""
    for tensor in weight_tensors(sae).values():
        ranks.broadcast_(tensor)


@torch.no_grad()
def average_gradients(sae: SparseAutoencoder, ranks: Ranks, share: float) -> None:
    """Replace the gradients by their mean over all processes, weighted by their shares of the batch.

    Parameters
    ----------
    sae : SparseAutoencoder
        With the gradients of this process's share.
    ranks : Ranks
        The processes.
    share : float
        Share of the batch's tokens; the shares of all add up to 1.
    """
    if ranks.size == 1:
        return
    for parameter in sae.parameters():
        if parameter.grad is None:  # here, but perhaps not elsewhere
            parameter.grad = torch.zeros_like(parameter)
        ranks.mean_(parameter.grad, share)
