"""A sparse autoencoder with a fixed number of active latents per token."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.interfaces.specs import Options, SAESpec


class TopKOptions(Options):
    """Options of `topk`."""

    k: int = Field(32, ge=1, description="Active latents per token, at most.")
    aux_k: int | None = Field(
        None, ge=0, description="Dead latents that explain the residual; default d_model / 2, 0 switches it off."
    )
    aux_coefficient: float = Field(1 / 32, ge=0, description="Weight of the auxiliary loss.")
    dead_feature_window: int = Field(64, ge=1, description="Steps without firing after which a latent is dead.")
    b_dec_init: Literal["geometric_median", "mean", "zero"] = Field(
        "geometric_median", description="Where b_dec starts, computed on a sample of training tokens."
    )


@hookimpl
def cytosae_saes() -> list[SAESpec]:
    """Provide `topk`."""
    return [
        SAESpec(
            name="topk",
            summary="The k largest latents of a token stay active; an auxiliary loss revives dead latents.",
            factory="cytosae_topk.sae:build",
            options=TopKOptions,
            api=(1, 0),
        )
    ]
