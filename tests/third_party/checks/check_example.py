"""The plugin keeps the contracts of cytosae-toolkit."""

from __future__ import annotations

import numpy as np
import torch
from cytosae_example_plugin import ColorGridOptions, JumpReLUOptions, ShareOptions
from cytosae_example_plugin.backbone import ColorGrid
from cytosae_example_plugin.jump_relu import JumpReLU
from cytosae_example_plugin.share import Share

from cytosae_toolkit.interfaces.aggregator import ImageContext
from cytosae_toolkit.testing import AggregatorConformance, BackboneConformance, SAEConformance


class TestColorGrid(BackboneConformance):
    def create(self) -> ColorGrid:
        return ColorGrid(ColorGridOptions(), device="cpu")


class TestJumpReLU(SAEConformance):
    def create(self, d_model: int, d_sae: int) -> JumpReLU:
        return JumpReLU(d_model, d_sae, JumpReLUOptions())


class TestShare(AggregatorConformance):
    def create(self) -> Share:
        return Share(ShareOptions())


def test_seed_and_depth_change_the_backbone() -> None:
    prints = {ColorGrid(ColorGridOptions(**o), "cpu").fingerprint for o in ({}, {"seed": 1}, {"layers": 2})}
    assert len(prints) == 3


def test_latents_below_their_threshold_are_zero() -> None:
    sae = JumpReLU(4, 8, JumpReLUOptions(threshold=0.5))
    sae.initialize(torch.randn(64, 4), torch.Generator().manual_seed(0))
    latents = sae.encode(torch.randn(64, 4))
    assert not ((latents > 0) & (latents <= 0.5)).any()


def test_the_penalty_raises_thresholds() -> None:
    sae = JumpReLU(4, 8, JumpReLUOptions(sparsity=1.0, bandwidth=0.5))
    tokens = torch.randn(256, 4)
    sae.initialize(tokens, torch.Generator().manual_seed(0))
    from cytosae_toolkit.interfaces.sae import StepContext

    sae.loss(tokens, StepContext(0, torch.Generator()))["sparsity"].backward()
    assert (sae.log_threshold.grad < 0).all()


def test_the_share_is_the_share() -> None:
    share = Share(ShareOptions(threshold=0.5))
    h = np.array([[1.0, 0.0], [0.6, 0.5], [0.0, 0.0], [0.0, 0.9]], np.float32)
    state = share.update(share.init(2), h, ImageContext(grid=(2, 2)))
    assert share.result(state).tolist() == [0.5, 0.25]
