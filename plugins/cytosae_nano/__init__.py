"""A very small backbone inside the wheel, for demonstrations, tests and offline trials; not for research."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.interfaces.specs import BackboneSpec, Options


class NanoOptions(Options):
    """Trained or untrained, and which part of an image is used."""

    untrained: bool = Field(False, description="Use random weights, for baselines.")
    seed: int = Field(0, description="Seed of the random weights.", ge=0)
    crop: bool = Field(
        False,
        description="Use the largest centred square instead of the whole image; either way heat maps fit.",
    )


@hookimpl
def cytosae_backbones() -> Iterable[BackboneSpec]:
    """Provide the backbone `nano`."""
    return [
        BackboneSpec(
            name="nano",
            summary="Demonstration backbone: a tiny ViT trained on generated smears; not for research.",
            factory="cytosae_nano.backbone:build",
            options=NanoOptions,
            api=(1, 0),
            weights_license="MIT",
            citation="cytosae-toolkit",
            demonstration=True,
            sae_defaults={"relu-l1": {"l1_coefficient": 1e-3}},
            d_model=192,
            layers=6,
        )
    ]
