from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch

from cytosae_toolkit.distributed import ALONE, Place, Ranks
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training.preparing import prepare
from cytosae_toolkit.training.sharing import agree, average_gradients, check_same_state


class Second(Ranks):
    """The second of two processes; the first one says, and has, what the test wants."""

    def __init__(self, said=None, other=0.0):
        super().__init__(Place(1, 2, 1, 2), "cpu")
        self.said, self.other = said, other

    def broadcast_object(self, value):
        return self.said

    def mean_(self, tensor, weight):
        return tensor.mul_(weight).add_(self.other * (1 - weight))


def test_gradients_are_weighted_by_shares(toy):
    sae = toy()
    sae.W_dec.grad = torch.full_like(sae.W_dec, 4.0)
    average_gradients(sae, Second(other=8.0), 0.25)
    assert (sae.W_dec.grad == 7).all()
    assert (sae.gain.grad == 6).all()  # it had none here
    average_gradients(sae, ALONE, 1.0)
    assert (sae.W_dec.grad == 7).all()


def test_the_first_process_decides_the_sizes_and_all_must_see_the_same(tiny_config):
    prepared = prepare(tiny_config())
    assert agree(prepared, ALONE) is prepared
    seen = {"backbone": prepared.backbone.fingerprint, "layer": prepared.layer, "precision": prepared.precision}
    sizes = replace(prepared.sizes, batch_tokens=7, steps=99)
    agreed = agree(prepared, Second({"seen": seen, "sizes": asdict(sizes)}))
    assert agreed.sizes == sizes
    assert agreed.plan.seconds_training == prepared.plan.seconds_training / 2
    with pytest.raises(CytosaeError, match="Process 1 has a different layer than the first one \\(4, there 3\\)"):
        agree(prepared, Second({"seen": {"layer": 3}, "sizes": asdict(sizes)}))


def test_all_go_on_from_the_same_checkpoint():
    check_same_state(5, Second(5))
    with pytest.raises(CytosaeError, match="finds a state after step 0, the first one after step 5"):
        check_same_state(0, Second(5))
