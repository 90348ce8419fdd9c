"""What tokens are: which backbone, which layer, which numbers. Only like tokens may share a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import prod
from typing import Any

import numpy as np

from cytosae_toolkit.errors import CytosaeError, nearest
from cytosae_toolkit.interfaces.backbone import Backbone

DTYPES = ("float16", "float32")


@dataclass(frozen=True)
class TokenIdentity:
    """Everything that decides the value of an image's tokens, and their shape.

    Parameters
    ----------
    fingerprint : str
        The backbone's fingerprint of weights and preprocessing.
    layer : int
        0-based block whose output the tokens are.
    dtype : str
        ``"float16"`` or ``"float32"``: a token *is* its rounded value.
    precision : str
        Precision of the backbone's matrix products: ``"float32"``, ``"tf32"`` or ``"bfloat16"``.
    grid : tuple of int
        Patches per axis, rows first.
    prefix_tokens : int
        Tokens before the patch tokens.
    d_model : int
        Length of a token.
    plugin : mapping
        Record of the plugin that made the backbone, JSON-compatible; does not count in comparisons.
    demonstration : bool
        True if the backbone only serves demonstrations; does not count in comparisons.
    """

    fingerprint: str
    layer: int
    dtype: str
    precision: str
    grid: tuple[int, ...]
    prefix_tokens: int
    d_model: int
    plugin: Mapping[str, Any] = field(default_factory=dict, compare=False)
    demonstration: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise CytosaeError(f"The token type {self.dtype!r} is unknown.", nearest(self.dtype, DTYPES))

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        layer: int,
        *,
        dtype: str = "float16",
        precision: str = "float32",
        plugin: Mapping[str, Any] | None = None,
        demonstration: bool = False,
    ) -> TokenIdentity:
        """Return the identity of a backbone's tokens at a layer (negative counts from the end)."""
        return cls(
            fingerprint=backbone.fingerprint,
            layer=backbone.resolve_layer(layer),
            dtype=dtype,
            precision=precision,
            grid=tuple(backbone.grid),
            prefix_tokens=backbone.prefix_tokens,
            d_model=backbone.d_model,
            plugin=dict(plugin or {}),
            demonstration=demonstration,
        )

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> TokenIdentity:
        """Read what `to_dict` wrote; unknown keys are ignored."""
        known = {f.name: value[f.name] for f in fields(cls) if f.name in value}
        return cls(**{**known, "grid": tuple(value["grid"])})

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-compatible dictionary."""
        return {**asdict(self), "grid": list(self.grid), "plugin": dict(self.plugin)}

    @property
    def n_tokens(self) -> int:
        """Tokens of an image, prefix included."""
        return self.prefix_tokens + prod(self.grid)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The little-endian NumPy type of a token's numbers."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def image_shape(self) -> tuple[int, int]:
        """Shape of an image's tokens, ``(n_tokens, d_model)``."""
        return self.n_tokens, self.d_model

    @property
    def image_bytes(self) -> int:
        """Bytes of an image's tokens."""
        return self.n_tokens * self.d_model * self.numpy_dtype.itemsize

    @property
    def disk_bytes(self) -> int:
        """Bytes that an image takes in a store, its share of the small files included."""
        return self.image_bytes + 128

    def describe(self) -> str:
        """Return a phrase for messages, such as ``"dinobloom-b (3f2a9c01), layer 10, float16"``."""
        name = self.plugin.get("name")
        backbone = f"{name} ({self.fingerprint[:8]})" if name else f"backbone {self.fingerprint[:8]}"
        return f"{backbone}, layer {self.layer}, {self.dtype}, computed in {self.precision}"
