from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from token_parts import Matrix

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.tokens import TokenIdentity

IDENTITY = TokenIdentity.of(Matrix(), -1, plugin={"name": "matrix"})


def test_sizes():
    assert IDENTITY.layer == 3
    assert IDENTITY.image_shape == (10, 8)
    assert IDENTITY.image_bytes == 160
    assert replace(IDENTITY, dtype="float32").image_bytes == 320
    assert IDENTITY.numpy_dtype == np.dtype("<f2")


def test_round_trip_ignores_unknown_keys():
    assert TokenIdentity.from_dict({**IDENTITY.to_dict(), "format": "x"}) == IDENTITY


def test_what_made_the_backbone_does_not_divide_equal_tokens():
    assert replace(IDENTITY, plugin={"name": "other"}, demonstration=True) == IDENTITY
    assert replace(IDENTITY, precision="bfloat16") != IDENTITY


def test_unknown_type_and_layer():
    with pytest.raises(CytosaeError, match=r"'float17' is unknown.*float16"):
        replace(IDENTITY, dtype="float17")
    with pytest.raises(CytosaeError, match="Layer 4 does not exist"):
        TokenIdentity.of(Matrix(), 4)


def test_description_names_the_backbone():
    assert IDENTITY.describe() == "matrix (01234567), layer 3, float16, computed in float32"
    assert replace(IDENTITY, plugin={}).describe().startswith("backbone 01234567")
