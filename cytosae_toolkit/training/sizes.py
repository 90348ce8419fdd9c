"""Sizes of a training that follow the data where the configuration leaves them open."""

from __future__ import annotations

from dataclasses import dataclass

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training.config import TrainConfig, count_latents


@dataclass(frozen=True)
class Sizes:
    """Values of a configuration that follow the data unless given.

    Parameters
    ----------
    d_model, d_sae : int
        Length of a token; number of latents.
    batch_tokens : int
        Tokens of a batch, whichever way it is made.
    steps, warmup_steps : int
        Training steps; those of the warm-up.
    """

    d_model: int
    d_sae: int
    batch_tokens: int
    steps: int
    warmup_steps: int


def resolve_sizes(config: TrainConfig, *, d_model: int, n_images: int, tokens_per_image: int) -> Sizes:
    """Choose what the configuration leaves open.

    Parameters
    ----------
    config : TrainConfig
        The configuration.
    d_model : int
        Length of a token.
    n_images : int
        Training images.
    tokens_per_image : int
        Tokens of each, prefix included.

    Raises
    ------
    CytosaeError
        If there are fewer images or tokens than a batch.
    """
    n_tokens = n_images * tokens_per_image
    d_sae = config.d_sae or count_latents(d_model, config.expansion or default_expansion(n_tokens))
    batch = _batch_tokens(config, n_images, tokens_per_image)
    steps = config.steps or default_steps(n_tokens, batch)
    warmup = min(500, max(1, steps // 20)) if config.warmup_steps is None else config.warmup_steps
    return Sizes(d_model, d_sae, batch, steps, warmup)


def default_expansion(n_tokens: int) -> float:
    """Return the expansion factor for so many training tokens: more data carry more latents, up to the paper's 64."""
    for limit, expansion in ((100_000, 8.0), (500_000, 16.0), (3_000_000, 32.0)):
        if n_tokens < limit:
            return expansion
    return 64.0


def default_steps(n_tokens: int, batch_tokens: int) -> int:
    """Return steps that show each token some thirty times, at least 4 million and at most the paper's 257 million."""
    shown = min(max(30 * n_tokens, 4_000_000), 257_000_000)
    return max(1, round(shown / batch_tokens))


def default_batch(n_tokens: int) -> int:
    """Return the tokens of a batch, if memory allows, for so many training tokens."""
    return min(4096, n_tokens)


def _batch_tokens(config: TrainConfig, n_images: int, tokens_per_image: int) -> int:
    if config.batch_images is not None:
        if config.batch_images > n_images:
            raise CytosaeError(
                f"A batch of {config.batch_images} images is more than the {n_images} training images.",
                "Lower --batch-images or give more images.",
            )
        return config.batch_images * tokens_per_image
    n_tokens = n_images * tokens_per_image
    if config.batch_tokens is None:
        return default_batch(n_tokens)
    if config.batch_tokens > n_tokens:
        raise CytosaeError(
            f"A batch of {config.batch_tokens} tokens is more than the {n_tokens} tokens of the {n_images} training "
            "images.",
            "Lower --batch-tokens or give more images.",
        )
    return config.batch_tokens
