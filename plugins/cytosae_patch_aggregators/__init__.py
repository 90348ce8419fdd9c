"""Aggregators over the patches of an image: `count` (CytoSAE, Eq. 2), `max` and `mean`."""

from __future__ import annotations

from pydantic import Field

from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.interfaces.specs import AggregatorSpec, Options


class CountOptions(Options):
    """Options of `count`."""

    threshold: float = Field(0.2, ge=0, description="τ: a patch counts if its activation is greater (Eq. 2).")


@hookimpl
def cytosae_aggregators() -> list[AggregatorSpec]:
    """Provide the default aggregators."""
    return [
        AggregatorSpec(
            name="count",
            summary="Number of patches with an activation above the threshold τ (CytoSAE, Eq. 2).",
            factory="cytosae_patch_aggregators.aggregators:build_count",
            options=CountOptions,
            api=(1, 0),
        ),
        AggregatorSpec(
            name="max",
            summary="Largest activation of any patch.",
            factory="cytosae_patch_aggregators.aggregators:build_max",
            api=(1, 0),
        ),
        AggregatorSpec(
            name="mean",
            summary="Mean activation of the patches, prefix tokens left out.",
            factory="cytosae_patch_aggregators.aggregators:build_mean",
            api=(1, 0),
        ),
    ]
