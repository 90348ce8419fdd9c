"""Self-supervised objective: see a few patches in one stain, picture all of them in the reference stain.

A masked autoencoder (He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022) whose target
is another photograph of the same scene, so that the tokens hold what lies on the slide rather than how it is
stained.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from cytosae_nano.architecture import D_MODEL, HEADS, MEAN, PATCH_SIZE, STD, build

ASKED = 0.25
"""Share of the patches that are hidden and asked for."""
_WIDTH = 128


@dataclass(frozen=True)
class LossTerms:
    """Mean squared errors of a batch: of hidden and of visible patches; `total` is what is minimised."""

    hidden: torch.Tensor
    visible: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """Hidden patches count fully, visible ones half."""
        return self.hidden + 0.5 * self.visible


class MaskedAutoencoder(nn.Module):
    """The network and a light decoder that is thrown away after training."""

    positions: torch.Tensor

    def __init__(self) -> None:
        from timm.models.vision_transformer import Block

        super().__init__()
        self.encoder = build()
        positions = sine_positions(self.encoder.patch_embed.grid_size[0], D_MODEL)
        self.encoder.pos_embed = nn.Parameter(torch.cat([torch.zeros(1, 1, D_MODEL), 0.5 * positions], 1))
        self.encoder.pos_embed.requires_grad_(False)
        self.narrow = nn.Linear(D_MODEL, _WIDTH)
        self.hole = nn.Parameter(torch.randn(1, 1, _WIDTH) * 0.02)
        self.register_buffer("positions", sine_positions(self.encoder.patch_embed.grid_size[0], _WIDTH))
        self.block = Block(_WIDTH, HEADS + 1, qkv_bias=True)
        self.norm = nn.LayerNorm(_WIDTH)
        self.head = nn.Linear(_WIDTH, 2 * 3 * PATCH_SIZE**2)

    def forward(
        self, pictures: torch.Tensor, targets: torch.Tensor, visible: torch.Tensor, hidden: torch.Tensor
    ) -> LossTerms:
        """Return the loss of a batch.

        Parameters
        ----------
        pictures : float tensor [B, 3, H, W]
            RGB, 0-1, in any stain.
        targets : float tensor [B, 3, H, W]
            The same crops in the reference stain, 0-1.
        visible, hidden : int64 tensor [B, n], [B, m]
            Which patches the encoder sees, and which other ones have to be pictured.
        """
        predicted = self._decode(self._encode(normalise(pictures), visible), visible, hidden)
        wanted = _pick(patch_targets(targets), torch.cat([visible, hidden], 1))
        error = ((predicted.float() - wanted) ** 2).mean(-1)
        n = visible.shape[1]
        return LossTerms(error[:, n:].mean(), error[:, :n].mean())

    def _encode(self, pictures: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        encoder = self.encoder
        places, cls = torch.as_tensor(encoder.pos_embed), torch.as_tensor(encoder.cls_token)
        tokens = _pick(encoder.patch_embed(pictures) + places[:, 1:], visible)
        first = (cls + places[:, :1]).expand(len(tokens), -1, -1)
        return torch.as_tensor(encoder.norm(encoder.blocks(torch.cat([first, tokens], 1))))

    def _decode(self, tokens: torch.Tensor, visible: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        narrow = self.narrow(tokens)
        holes = self.hole.to(narrow.dtype).expand(*hidden.shape, -1)
        places = self.positions.expand(len(tokens), -1, -1)
        known = narrow[:, 1:] + _pick(places, visible)
        asked = holes + _pick(places, hidden)
        return torch.as_tensor(self.head(self.norm(self.block(torch.cat([narrow[:, :1], known, asked], 1))))[:, 1:])


def _pick(tokens: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Return some tokens of each picture: [B, all, d] and int64 [B, n] give [B, n, d]."""
    return tokens.gather(1, which[..., None].expand(-1, -1, tokens.shape[-1]))


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """Turn RGB in 0-1, [B, 3, H, W], into the network's input."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (pictures - mean) / std


def patch_targets(targets: torch.Tensor) -> torch.Tensor:
    """Return what is predicted per patch.

    Parameters
    ----------
    targets : float tensor [B, 3, H, W]
        RGB, 0-1, in the reference stain.

    Returns
    -------
    float tensor [B, patches, 2 * 3 * 8 * 8]
        Pixels in units of the data's spread (colour), then pixels normalised within the patch (structure).
    """
    p = PATCH_SIZE
    n, c, h, w = targets.shape
    patches = targets.view(n, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5).reshape(n, -1, c * p * p)
    structure = (patches - patches.mean(-1, keepdim=True)) / (patches.std(-1, keepdim=True) + 0.03)
    return torch.cat([(patches - 0.75) / 0.2, 0.7 * structure], -1)


def draw_patches(n: int, patches: int, share: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw which patches of each picture are seen and which are asked for.

    Parameters
    ----------
    n, patches : int
        Number of pictures and of patches in each.
    share : float
        Share of the patches that are seen.
    generator : torch.Generator
        Source of the choice.

    Returns
    -------
    visible, hidden : int64 tensor [n, round(share * patches)], [n, round(patches / 4)]
        Disjoint.
    """
    order = torch.rand(n, patches, generator=generator).argsort(1)
    seen, asked = round(share * patches), round(ASKED * patches)
    return order[:, :seen], order[:, seen : seen + asked]


def sine_positions(side: int, width: int) -> torch.Tensor:
    """Return sine-cosine codes of a square grid's places, float32 [1, side * side, width], row-major."""
    frequency = 1 / 10_000 ** (torch.arange(width // 4) / (width // 4))
    phase = torch.arange(side)[:, None] * frequency[None]
    line = torch.cat([phase.sin(), phase.cos()], 1)
    rows, columns = line[:, None].expand(-1, side, -1), line[None].expand(side, -1, -1)
    return torch.cat([rows, columns], -1).reshape(1, side * side, width)
