"""The latents of an image as their non-zeros, refused where they are not finite, and what they decode to.

The atlas and whoever looks at single images call these same functions, so that their numbers are the same bits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cytosae_toolkit.errors import NotFiniteError
from cytosae_toolkit.interfaces.codes import Codes
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.training.sparse_products import decode

DENSE_SHARE = 0.1
"""Share of non-zero latents from which decoding by a dense product is faster."""
HINT = "Train it again."


@torch.no_grad()
def check_weights(sae: SparseAutoencoder) -> None:
    """Refuse an SAE with a weight that is NaN or infinite: a search for positive latents would pass over it.

    Raises
    ------
    NotFiniteError
        If there is one.
    """
    for name, weights in sae.named_parameters():
        stored = weights.T if weights.ndim == 2 and weights.T.is_contiguous() else weights
        if weights.numel() and not all(bool(torch.isfinite(end)) for end in torch.aminmax(stored)):
            raise NotFiniteError(f"The SAE has NaN or infinite weights in {name}.", HINT)


@torch.no_grad()
def finite_codes(sae: SparseAutoencoder, tokens: Tensor, name: str) -> Codes:
    """Return the non-zero latents of tokens.

    Parameters
    ----------
    sae : SparseAutoencoder
        Passed by `check_weights`.
    tokens : torch.Tensor
        float32 [n, d_model].
    name : str
        Whose tokens, for the message.

    Raises
    ------
    NotFiniteError
        If a token or a latent is NaN or infinite.
    """
    if not torch.isfinite(tokens).all():
        raise NotFiniteError(f"There are NaN or infinite tokens in {name}.", "Compute its tokens again.")
    codes = sae.encode_sparse(tokens)
    if not torch.isfinite(codes.value).all():
        raise NotFiniteError(f"The SAE gives NaN or infinite latents on {name}.", HINT)
    return codes


def decodes_plainly(sae: SparseAutoencoder) -> bool:
    """Return whether the variant's decoder is the plain one, so that non-zeros alone can be decoded."""
    return type(sae).decode is SparseAutoencoder.decode


@torch.no_grad()
def reconstruct(sae: SparseAutoencoder, codes: Codes) -> Tensor:
    """Return the tokens that latents stand for, float32 [n_tokens, d_model]: on the non-zeros where that is faster."""
    if decodes_plainly(sae) and codes.density <= DENSE_SHARE:
        return decode(codes, sae.W_dec.detach()) + sae.b_dec.detach()
    return sae.decode(codes.dense())
