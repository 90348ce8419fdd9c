"""An example of a plugin: what it provides. Nothing here imports torch."""

from __future__ import annotations

from pydantic import Field

from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.interfaces.specs import AggregatorSpec, BackboneSpec, Options, SAESpec
from cytosae_toolkit.training.events import TrainingEvent

API = (1, 0)


class ColorGridOptions(Options):
    """Options of `color-grid`."""

    seed: int = Field(0, description="Seed of the fixed random weights.")
    d_model: int = Field(24, ge=4, description="Length of a token.")
    layers: int = Field(3, ge=1, description="Number of blocks.")


class JumpReLUOptions(Options):
    """Options of `jump-relu`."""

    sparsity: float = Field(1e-3, ge=0, description="Weight of the expected number of active latents.")
    threshold: float = Field(0.05, gt=0, description="Where the threshold of each latent starts.")
    bandwidth: float = Field(0.05, gt=0, description="Width of the kernel that estimates the threshold's gradient.")


class ShareOptions(Options):
    """Options of `share`."""

    threshold: float = Field(0.2, ge=0, description="A patch counts if its activation is greater.")


@hookimpl
def cytosae_backbones() -> list[BackboneSpec]:
    """Provide `color-grid`."""
    return [
        BackboneSpec(
            name="color-grid",
            summary="Colours of 8 x 8 patches, mixed by fixed random attention blocks.",
            factory="cytosae_example_plugin.backbone:build",
            options=ColorGridOptions,
            api=API,
            weights_license="MIT",
        )
    ]


@hookimpl
def cytosae_saes() -> list[SAESpec]:
    """Provide `jump-relu`."""
    return [
        SAESpec(
            name="jump-relu",
            summary="JumpReLU with a learned threshold per latent and an L0 penalty.",
            factory="cytosae_example_plugin.jump_relu:build",
            options=JumpReLUOptions,
            api=API,
        )
    ]


@hookimpl
def cytosae_aggregators() -> list[AggregatorSpec]:
    """Provide `share`."""
    return [
        AggregatorSpec(
            name="share",
            summary="Share of patches with an activation above the threshold.",
            factory="cytosae_example_plugin.share:build",
            options=ShareOptions,
            api=API,
        )
    ]


@hookimpl
def cytosae_training_event(event: TrainingEvent) -> None:
    """Note each event in the run folder."""
    with (event.run / "example-events.log").open("a", encoding="utf-8") as log:
        log.write(f"{type(event).__name__} {event.step}\n")
