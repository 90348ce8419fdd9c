"""The sparse autoencoder of CytoSAE: ReLU latents, L1 penalty, ghost gradients for dead latents."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.interfaces.specs import Options, SAESpec


class ReluL1Options(Options):
    """Options of `relu-l1`."""

    l1_coefficient: float | None = Field(
        None,
        ge=0,
        description="λ, weight of the L1 penalty; default 8e-5 · 768 / d_model unless the backbone was tuned.",
    )
    ghost_grads: bool = Field(True, description="Revive dead latents through ghost gradients.")
    ghost_share: float = Field(
        1.0, gt=0, le=1, description="Share of the tokens, drawn anew in each step, that ghost gradients see."
    )
    dead_feature_window: int = Field(64, ge=1, description="Steps without firing after which a latent is dead.")
    b_dec_init: Literal["geometric_median", "mean", "zero"] = Field(
        "geometric_median", description="Where b_dec starts, computed on a sample of training tokens."
    )
    encoder_init: Literal["tied", "independent"] = Field(
        "tied",
        description="W_enc starts along W_decᵀ, scaled by min(1, 2 d_model / d_sae), or independently (as published).",
    )
    path: Literal["auto", "sparse", "dense"] = Field(
        "auto",
        description="Compute with the non-zero latents, with all, or as density and device suggest: same results.",
    )


@hookimpl
def cytosae_saes() -> list[SAESpec]:
    """Provide `relu-l1`."""
    return [
        SAESpec(
            name="relu-l1",
            summary="ReLU latents with an L1 penalty and ghost grads, as in CytoSAE (Eq. 1).",
            factory="cytosae_relu_l1.sae:build",
            options=ReluL1Options,
            api=(1, 0),
            paper_options={
                "l1_coefficient": 8e-5,
                "ghost_grads": True,
                "dead_feature_window": 64,
                "b_dec_init": "geometric_median",
                "encoder_init": "independent",
            },
        )
    ]
