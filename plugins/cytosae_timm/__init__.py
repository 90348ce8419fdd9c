"""Backbones of the timm library: any plain vision transformer, by model name or with a local checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.interfaces.specs import BackboneSpec, Options

Channels = tuple[float, float, float]


class TimmOptions(Options):
    """Which timm model, where its weights come from, and what replaces its own preprocessing."""

    model: str = Field("vit_tiny_patch16_224", description="Name of a vision transformer in timm.")
    checkpoint: Path | None = Field(
        None,
        description="Local weights of that model: .safetensors, .pth, .pt or .bin.",
    )
    untrained: bool = Field(False, description="Use random weights, for baselines and tests.")
    seed: int = Field(0, description="Seed of the random weights.", ge=0)
    size: int | None = Field(None, description="Input height and width in pixels; default: the model's own.", ge=1)
    mean: Channels | None = Field(None, description="Mean of the channels, 0 to 1; default: the model's own.")
    std: Channels | None = Field(None, description="Standard deviation of the channels; default: the model's own.")
    interpolation: Literal["bilinear", "bicubic"] | None = Field(
        None, description="How images are resized, always antialiased; default: the model's own."
    )
    crop: bool = Field(
        False,
        description="Use the largest centred square instead of the whole image; either way heat maps fit.",
    )

    @field_validator("checkpoint")
    @classmethod
    def _absolute(cls, checkpoint: Path | None) -> Path | None:
        return None if checkpoint is None else checkpoint.expanduser().absolute()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.untrained and self.checkpoint is not None:
            raise ValueError("checkpoint and untrained exclude each other")
        return self


@hookimpl
def cytosae_backbones() -> Iterable[BackboneSpec]:
    """Provide the backbone `timm`."""
    return [
        BackboneSpec(
            name="timm",
            summary="Any plain vision transformer of timm, by model name or with a local checkpoint.",
            factory="cytosae_timm.backbone:build",
            options=TimmOptions,
            api=(1, 0),
            weights_license="depends on the model: see its model card",
            citation="Wightman, PyTorch Image Models, doi:10.5281/zenodo.4414861, and the model's authors",
        )
    ]
