"""DinoBloom: DINOv2 vision transformers for hematology (Koch et al., MICCAI 2024)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, field_validator

from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.interfaces.specs import BackboneSpec, Options, WeightsFile

RECORD = "https://zenodo.org/records/10908163"
"""Where the authors publish the weights."""

CITATION = (
    "Koch et al., DinoBloom: A Foundation Model for Generalizable Cell Embeddings in Hematology, "
    "MICCAI 2024, arXiv:2404.05022; weights: doi:10.5281/zenodo.10908163"
)

_SHA256 = {"s": "c2f7990b003e89bcece80e379fb8fe0ba2ec392ce19b286e8a294abd99568e44"}
_WIDTHS = {"s": 384, "b": 768, "l": 1024, "g": 1536}
_DEPTHS = {"s": 12, "b": 12, "l": 24, "g": 40}


class DinoBloomOptions(Options):
    """Where the weights come from, and which part of an image is used."""

    checkpoint: Path | None = Field(
        None, description="Local DinoBloom weights instead of the download: .pth, .bin or .safetensors."
    )
    crop: bool = Field(
        False,
        description="Use the largest centred square instead of the whole image; either way heat maps fit.",
    )

    @field_validator("checkpoint")
    @classmethod
    def _absolute(cls, checkpoint: Path | None) -> Path | None:
        return None if checkpoint is None else checkpoint.expanduser().absolute()


def weights_file(size: str) -> WeightsFile:
    """Return the published file of a size, ``"s"``, ``"b"``, ``"l"`` or ``"g"``."""
    name = f"DinoBloom-{size.upper()}.pth"
    return WeightsFile(
        name=name,
        url=f"{RECORD}/files/{name}",
        checksum=f"sha256:{_SHA256[size]}" if size in _SHA256 else None,
        record=RECORD.replace("/records/", "/api/records/"),
    )


@hookimpl
def cytosae_backbones() -> Iterable[BackboneSpec]:
    """Provide `dinobloom-s`, `dinobloom-b`, `dinobloom-l` and `dinobloom-g`."""
    return [
        BackboneSpec(
            name=f"dinobloom-{size}",
            summary=f"DinoBloom-{size.upper()}: DINOv2 ViT/14 for blood and bone marrow cells, "
            f"{_WIDTHS[size]} wide, {_DEPTHS[size]} blocks.",
            factory=f"cytosae_dinobloom.backbone:build_{size}",
            options=DinoBloomOptions,
            api=(1, 0),
            weights_license="Apache-2.0",
            citation=CITATION,
            weights=(weights_file(size),),
            d_model=_WIDTHS[size],
            layers=_DEPTHS[size],
        )
        for size in _WIDTHS
    ]
