"""Random crops and stains, so that the network does not learn one microscope."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from cytosae_nano.architecture import IMAGE_SIZE


def random_crops(pictures: torch.Tensor, generator: torch.Generator, size: int = IMAGE_SIZE) -> torch.Tensor:
    """Cut, turn and mirror pictures at random, each one in its own way.

    Parameters
    ----------
    pictures : float tensor [B, C, H, W]
        Channels of one picture stay aligned.
    generator : torch.Generator
        Source of the crops.
    size : int
        Width and height of the result.

    Returns
    -------
    float tensor [B, C, size, size]
        Half of the crops show 85-100 % of the width, half 50-100 %; turned by up to 12 degrees after a random
        quarter turn; mirrored every other time.
    """
    n = len(pictures)
    u = torch.rand(6, n, generator=generator)
    zoom = torch.where(u[0] < 0.5, 0.85 + 0.15 * u[1], 0.5 + 0.5 * u[1])
    angle = torch.floor(4 * u[2]) * (math.pi / 2) + (u[3] - 0.5) * 0.42
    flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    shift = (2 * u[4:6] - 1) * (1 - zoom)
    cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
    rows = [torch.stack([cos * flip, -sin, shift[0]], 1), torch.stack([sin * flip, cos, shift[1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), [n, pictures.shape[1], size, size], align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def random_stains(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Vary colour, brightness, contrast, sharpness and noise at random.

    Parameters
    ----------
    pictures : float tensor [B, 3, H, W]
        RGB, 0-1.
    generator : torch.Generator
        Source of the variation.

    Returns
    -------
    float tensor [B, 3, H, W]
        RGB, 0-1. Colours are mixed in optical density, light varies per channel, some are blurred.
    """
    n = len(pictures)

    def normal(*shape: int, std: float) -> torch.Tensor:
        return torch.randn(n, *shape, generator=generator) * std

    density = -torch.log(pictures.clamp(0.02, 1.0))
    mix = torch.eye(3) + normal(3, 3, std=0.10)
    mix = mix * torch.exp(normal(1, 1, std=0.22))
    density = torch.bmm(mix, density.flatten(2)).view_as(pictures)
    light = torch.exp(-density + normal(3, 1, 1, std=0.07) + normal(1, 1, 1, std=0.15).clamp(max=0.12))
    soft = F.avg_pool2d(F.pad(light, (1, 1, 1, 1), mode="replicate"), 3, 1)
    soft = torch.where((torch.rand(n, 1, 1, 1, generator=generator) < 0.5), soft, 2 * soft - light)
    light = torch.where(torch.rand(n, 1, 1, 1, generator=generator) < 0.5, soft, light)
    noise = torch.randn(light.shape[1:], generator=generator) * torch.rand(n, 1, 1, 1, generator=generator) * 0.03
    return (light + noise).clamp(0, 1)
