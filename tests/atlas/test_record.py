"""Which SAE an atlas belongs to."""

from __future__ import annotations

import hashlib

import pytest
import torch

from cytosae_toolkit.atlas import record
from cytosae_toolkit.atlas.record import refuse_mismatch, sae_fingerprint
from cytosae_toolkit.errors import CytosaeError


def test_the_fingerprint_is_that_of_all_bytes(whole_run, monkeypatch):
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{whole_run.record['backbone']['fingerprint']} {whole_run.layer}".encode())
    for name, tensor in sorted(whole_run.sae.state_dict().items()):
        digest.update(f"{name} {list(tensor.shape)}".encode() + tensor.contiguous().numpy().tobytes())
    for rows in (1, 7, 10_000):
        monkeypatch.setattr(record, "ROWS", rows)
        assert sae_fingerprint(whole_run) == digest.hexdigest()


def test_every_weight_counts_also_single_numbers(whole_run):
    before = sae_fingerprint(whole_run)
    whole_run.sae.register_parameter("scale", torch.nn.Parameter(torch.tensor(1.0)))
    one = sae_fingerprint(whole_run)
    whole_run.sae.scale.data += 1
    assert len({before, one, sae_fingerprint(whole_run)}) == 3
    del whole_run.sae.scale
    assert sae_fingerprint(whole_run) == before


def test_a_mismatch_names_both():
    refuse_mismatch("A and b", "1" * 32, "1" * 32)
    with pytest.raises(CytosaeError, match=f"A and b .*{'1' * 12} and {'2' * 12}"):
        refuse_mismatch("A and b", "1" * 32, "2" * 32)
