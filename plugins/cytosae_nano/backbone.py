"""Builds the demonstration backbone `nano`."""

from __future__ import annotations

from pathlib import Path

import torch

from cytosae_nano import NanoOptions, architecture
from cytosae_toolkit.interfaces.vit import Preprocessing, TimmBackbone
from cytosae_toolkit.safe_load import fill_model, load_weights

WEIGHTS = Path(__file__).with_name("nano.safetensors")
"""The trained weights, float16, carried by the wheel."""


def build(options: NanoOptions, *, device: str = "auto", offline: bool = False) -> TimmBackbone:
    """Create the backbone `nano`; it never downloads anything.

    Parameters
    ----------
    options : NanoOptions
        Trained or untrained; crop.
    device : str
        Torch device name.
    offline : bool
        Makes no difference.

    Raises
    ------
    CytosaeError
        If the weights are missing or damaged.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        model = architecture.build()
    if not options.untrained:
        fill_model(model, load_weights(WEIGHTS), str(WEIGHTS))
    size = (architecture.IMAGE_SIZE, architecture.IMAGE_SIZE)
    preprocessing = Preprocessing(size=size, mean=architecture.MEAN, std=architecture.STD, crop=options.crop)
    return TimmBackbone(model, preprocessing, architecture="nano", device=device)
