"""A training step whose memory and time follow the non-zeros: objective and exact gradients in one go.

The objective of an SAE is a sum over tokens, so its gradients can be added up piece by piece of a batch, right after
each piece is reconstructed; neither [tokens, d_sae] nor a graph of it is ever kept. Of the five products that a dense
step needs (encode, decode, gradients of latents, decoder and encoder) only the first touches latents that are zero.

With h the pre-activations of a token, z = ReLU(h), x̂ = z W_dec + b_dec, g = ∂L/∂x̂ and l = ∂L/∂Σz:
∂L/∂h_s = (g · W_dec[s] + l) where z_s > 0, else 0; ∂L/∂W_dec = zᵀ g; ∂L/∂W_encᵀ = (∂L/∂h)ᵀ (x - b_dec);
∂L/∂b_enc = Σ ∂L/∂h; ∂L/∂b_dec = Σ g - W_enc ∂L/∂b_enc.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from cytosae_toolkit.interfaces.codes import Codes
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.training import sparse_products as products
from cytosae_toolkit.training.ghosts import Exponentials, Ghosts
from cytosae_toolkit.training.known_gradients import Attach
from cytosae_toolkit.training.recycling import Recycler
from cytosae_toolkit.training.sparse_codes import (
    BLOCK_ELEMENTS,
    positive_codes,
    top_codes,
)
from cytosae_toolkit.training.threads import cut

__all__ = ["Ghosts", "Path", "Terms", "Tokenwise", "step_bytes"]

Path = Literal["auto", "sparse", "dense"]
Terms = Callable[[Tensor, Tensor, Tensor], Mapping[str, Tensor]]
"""From x̂ [n, d_model], x [n, d_model] and Σz [n] of some tokens to their share of each term of the objective."""

SPARSE_BELOW = 0.09
"""Density from which products with all latents cost less than those with the non-zeros."""
PROBED = 32, 4096
"""Tokens and, about, latents on which the density is measured."""
PIECE_TOKENS = 8192
PIECE_BYTES = 1 << 29
"""Tokens worked on at a time, and the bytes that a [piece, latents] tensor may take where one is needed."""


_MEMORY: WeakKeyDictionary[SparseAutoencoder, Recycler] = WeakKeyDictionary()
"""Of the gradients of each SAE in its last step."""


def step_bytes(n_tokens: int, d_model: int, d_sae: int) -> int:
    """Return the most memory that a step takes beside parameters, gradients and moments, in bytes.

    Two [piece, d_sae] tensors of the dense path, a second pair of gradients where there are several pieces, and six
    [n_tokens, d_model].
    """
    wide = 2 * min(PIECE_BYTES, 4 * n_tokens * d_sae) + 4 * BLOCK_ELEMENTS
    return wide + 4 * (2 * d_model * d_sae + 6 * n_tokens * d_model)


class Tokenwise:
    """Adds up an objective over the tokens of a batch, with its gradients.

    Parameters
    ----------
    sae : SparseAutoencoder
        With pre-activations W_enc (x - b_dec) + b_enc and the plain decoder. Matrix products follow autocast.

    Attributes
    ----------
    fired : torch.Tensor
        bool [d_sae], the latents that fired on any token so far.
    """

    def __init__(self, sae: SparseAutoencoder) -> None:
        self.sae = sae
        self.rows = sae.W_enc.detach().T.contiguous()
        self.decoder = sae.W_dec.detach().contiguous()
        self.fired = torch.zeros(sae.d_sae, dtype=torch.bool, device=self.rows.device)
        self.learns = torch.is_grad_enabled()
        dtype = _product_dtype(self.rows.device.type)
        self._dtype, self._thin_rows, self._thin_decoder = dtype, self.rows.to(dtype), self.decoder.to(dtype)
        self._memory = _MEMORY.setdefault(sae, Recycler())
        self._terms: dict[str, Tensor] = {}
        self._encoder_gradient: Tensor | None = None
        self._decoder_gradient: Tensor | None = None
        self._bias_gradient = torch.zeros_like(sae.b_enc)
        self._offset_gradient = torch.zeros_like(sae.b_dec)

    @torch.no_grad()
    def relu(self, tokens: Tensor, terms: Terms, *, ghosts: Ghosts | None = None, path: Path = "auto") -> None:
        """Add the objective with z = ReLU(h).

        Parameters
        ----------
        tokens : torch.Tensor
            float32 [n, d_model].
        terms : callable
            Terms of the objective.
        ghosts : Ghosts, optional
            Adds the term ``ghost``.
        path : str
            ``"sparse"``, ``"dense"``, or ``"auto"``: on the CPU by the density of a few tokens, elsewhere dense, since
            a GPU multiplies faster than it gathers; the same result up to rounding.
        """
        dense = self._prefers_dense(tokens) if path == "auto" else path == "dense"
        step = self._relu_dense if dense else self._relu_sparse
        widest = self.sae.d_sae if dense else 0 if ghosts is None else len(ghosts.latents)
        for piece in _pieces(len(tokens), widest):
            step(tokens[piece], terms, None if ghosts is None else ghosts.on(piece))

    @torch.no_grad()
    def top(
        self, tokens: Tensor, k: int, terms: Terms, *, latents: Tensor | None = None, goal: Tensor | None = None
    ) -> Tensor:
        """Add an objective with z = ReLU(TopK(h)), of all latents or of some that reconstruct without b_dec.

        Parameters
        ----------
        tokens : torch.Tensor
            float32 [n, d_model].
        k : int
            Latents of a token.
        terms : callable
            Terms of the objective.
        latents : torch.Tensor, optional
            int64 [m], only these; they are not noted as fired.
        goal : torch.Tensor, optional
            float32 [n, d_model], what `terms` are shown in place of the tokens.

        Returns
        -------
        torch.Tensor
            The reconstruction, float32 [n, d_model].
        """
        chosen: Tensor | slice = slice(None) if latents is None else latents
        rows, decoder, bias = self.rows[chosen], self.decoder[chosen], self.sae.b_enc.detach()[chosen]
        found = []
        for piece in _pieces(len(tokens), 0):
            x = tokens[piece]
            centred = x - self.sae.b_dec
            codes = top_codes(self._cast(centred), self._cast(rows), bias, k)
            if latents is None:
                self.fired |= codes.fired
            offset = self.sae.b_dec if latents is None else torch.zeros_like(self.sae.b_dec)
            x_hat = products.decode(codes, decoder) + offset
            aim = x if goal is None else goal[piece]
            gradient, gradient_of_sum = self._judge(_of(terms, aim), x_hat, _sums(codes))
            if self.learns:
                self._learn_sparse(codes, centred, gradient, gradient_of_sum, decoder, latents)
            found.append(x_hat)
        return torch.cat(found)

    def _prefers_dense(self, tokens: Tensor) -> bool:
        return tokens.device.type != "cpu" or self.density(tokens) >= SPARSE_BELOW

    @torch.no_grad()
    def density(self, tokens: Tensor) -> float:
        """Return the share of positive pre-activations of a few latents on a few of the tokens, evenly spread."""
        n_tokens, n_latents = PROBED
        every = max(1, self.sae.d_sae // n_latents)
        some = tokens[:: max(1, len(tokens) // n_tokens)][:n_tokens] - self.sae.b_dec
        positive = (torch.addmm(self.sae.b_enc[::every], some, self.rows[::every].T) > 0).float().mean()
        return float(positive)

    def terms(self) -> dict[str, Tensor]:
        """Return the terms, each a scalar; `backward` of their sum gives the parameters their gradients."""
        if not self.learns:
            return dict(self._terms)
        sae = self.sae
        self._offset_gradient -= self._bias_gradient @ self.rows
        gradients = [
            _or_zeros(self._encoder_gradient, self.rows).T,
            self._bias_gradient,
            _or_zeros(self._decoder_gradient, self.decoder),
            self._offset_gradient,
        ]
        attached = Attach.apply(gradients, list(self._terms.values()), sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec)
        return dict(zip(self._terms, attached, strict=True))

    def _relu_sparse(self, x: Tensor, terms: Terms, ghosts: Ghosts | None) -> None:
        centred = x - self.sae.b_dec
        bias = self.sae.b_enc.detach()
        exponentials = None if ghosts is None else Exponentials(ghosts, bias, len(x), self._dtype)
        see = (lambda first, block: None) if exponentials is None else exponentials.see
        codes = positive_codes(self._cast(centred), self._thin_rows, bias, see)
        self.fired |= codes.fired
        x_hat = products.decode(codes, self.decoder) + self.sae.b_dec
        gradient, gradient_of_sum = self._judge(_of(terms, x), x_hat, _sums(codes))
        if self.learns:
            self._learn_sparse(codes, centred, gradient, gradient_of_sum, self.decoder, None)
        if exponentials is not None:
            self._haunt(exponentials, centred, x_hat, x)

    def _relu_dense(self, x: Tensor, terms: Terms, ghosts: Ghosts | None) -> None:
        centred = x - self.sae.b_dec
        bias = self.sae.b_enc.detach()
        thin = self._cast(centred)
        exponentials = None if ghosts is None else Exponentials(ghosts, bias, len(x), self._dtype)
        z = self._thin_rows @ thin.T
        if exponentials is not None:
            exponentials.see(0, z)
        z.add_(bias[:, None]).relu_()
        self.fired |= (z > 0).any(dim=1)
        decoder = self._thin_decoder
        x_hat = (z.T @ decoder).float() + self.sae.b_dec
        gradient, gradient_of_sum = self._judge(_of(terms, x), x_hat, z.sum(dim=0, dtype=torch.float32))
        if self.learns:
            pull = self._cast(gradient)
            self._decoder_gradient = _added(self._decoder_gradient, z @ pull)
            inner = torch.addmm(gradient_of_sum.to(z.dtype), decoder, pull.T).mul_(z.sign_())
            self._bias_gradient += inner.sum(dim=1, dtype=torch.float32)
            self._encoder_gradient = _added(self._encoder_gradient, inner @ thin)
            self._offset_gradient += gradient.sum(dim=0)
        if exponentials is not None:
            self._haunt(exponentials, centred, x_hat, x)

    def _learn_sparse(
        self,
        codes: Codes,
        centred: Tensor,
        gradient: Tensor,
        gradient_of_sum: Tensor,
        decoder: Tensor,
        latents: Tensor | None,
    ) -> None:
        out = None if latents is not None else (self._memory.empty_like(decoder), self._memory.empty_like(decoder))
        to_decoder, to_encoder, to_bias = products.backward(codes, decoder, gradient, gradient_of_sum, centred, out)
        if latents is None:
            self._decoder_gradient = _added(self._decoder_gradient, to_decoder)
            self._encoder_gradient = _added(self._encoder_gradient, to_encoder)
            self._bias_gradient += to_bias
            self._offset_gradient += gradient.sum(dim=0)
            return
        self._decoder_gradient = _added_rows(self._decoder_gradient, self.decoder, latents, to_decoder)
        self._encoder_gradient = _added_rows(self._encoder_gradient, self.rows, latents, to_encoder)
        self._bias_gradient.index_add_(0, latents, to_bias)

    def _haunt(self, exponentials: Exponentials, centred: Tensor, x_hat: Tensor, x: Tensor) -> None:
        """Add the ghost term, whose exponentials reach all tokens, in blocks of latents."""
        ghosts = exponentials.ghosts
        if ghosts.tokens is not None:
            centred, x_hat, x = centred[ghosts.tokens], x_hat[ghosts.tokens], x[ghosts.tokens]
        if not len(x):
            return
        latents, activations = ghosts.latents, exponentials.activations
        ghost = torch.zeros_like(x)
        for part in _parts(len(latents), len(x)):
            ghost += (activations[part].T @ self._thin_decoder[latents[part]]).float()
        (gradient,) = self._judge(lambda leaf: {"ghost": ghosts.term(leaf, x_hat, x)}, ghost)
        if not self.learns:
            return
        pull, thin = self._cast(gradient), self._cast(centred)
        for part in _parts(len(latents), len(x)):
            active, chosen = activations[part], latents[part]
            inner = self._thin_decoder[chosen] @ pull.T
            self._decoder_gradient = _added_rows(self._decoder_gradient, self.decoder, chosen, (active @ pull).float())
            inner *= active
            self._encoder_gradient = _added_rows(self._encoder_gradient, self.rows, chosen, (inner @ thin).float())
            self._bias_gradient.index_add_(0, chosen, inner.sum(dim=1, dtype=torch.float32))

    def _judge(self, terms: Callable[..., Mapping[str, Tensor]], *values: Tensor) -> list[Tensor]:
        """Add terms of some values; return their gradients by each of these, zeros where nothing is learnt."""
        with torch.enable_grad(), _plain(values[0].device.type):
            leaves = [value.detach().requires_grad_() for value in values]
            found = terms(*leaves)
            total = torch.stack(list(found.values())).sum()
        for name, term in found.items():
            self._terms[name] = self._terms.get(name, 0) + term.detach()
        if not self.learns:
            return [torch.zeros_like(value) for value in values]
        gradients = torch.autograd.grad(total, leaves, allow_unused=True)
        return [_or_zeros(gradient, value) for gradient, value in zip(gradients, values, strict=True)]

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._dtype)


def _product_dtype(device: str) -> torch.dtype:
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32


def _plain(device: str) -> torch.autocast:
    return torch.autocast(device, enabled=False)


def _pieces(n_tokens: int, widest: int) -> list[slice]:
    """Cut a batch so that [piece, widest] stays within `PIECE_BYTES`."""
    size = min(PIECE_TOKENS, max(256, PIECE_BYTES // (4 * max(1, widest))))
    return [slice(*bounds) for bounds in cut(n_tokens, max(1, -(-n_tokens // size)))]


def _parts(n_latents: int, n_tokens: int) -> list[slice]:
    size = max(64, (1 << 23) // max(1, n_tokens))
    return [slice(start, start + size) for start in range(0, n_latents, size)]


def _sums(codes: Codes) -> Tensor:
    """Return Σz of each token, float32 [n_tokens]."""
    sums = torch.zeros(codes.n_tokens, dtype=torch.float64, device=codes.value.device)
    return sums.index_add_(0, codes.token, codes.value.double()).float()


def _of(terms: Terms, x: Tensor) -> Callable[[Tensor, Tensor], Mapping[str, Tensor]]:
    """Return terms as a function of x̂ and Σz alone."""
    return lambda x_hat, sums: terms(x_hat, x, sums)


def _or_zeros(gradient: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient


def _added(total: Tensor | None, more: Tensor) -> Tensor:
    return more.float() if total is None else total.add_(more)


def _added_rows(total: Tensor | None, like: Tensor, rows: Tensor, more: Tensor) -> Tensor:
    return _or_zeros(total, like).index_add_(0, rows, more)
