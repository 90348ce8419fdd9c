"""A tiny run, and a card of it on images with labels, groups and masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cytosae_toolkit.images import ImageTable, read_images


@pytest.fixture
def masked_table(tiny_images: Path, tmp_path: Path) -> ImageTable:
    """Return the tiny images with labels, 12 groups of two, and masks: the upper half is 255, the rest 0."""
    table = read_images(tiny_images)
    mask = np.zeros((32, 32), dtype=np.uint8)
    mask[:16] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    frame = table.frame.assign(
        path=[str(table.path(i)) for i in range(len(table))],
        mask=str(tmp_path / "mask.png"),
        group=[f"g{i // 2}" for i in range(len(table))],
    )
    return ImageTable(pd.DataFrame(frame), tmp_path, "tiny")


@pytest.fixture
def tiny_run(tiny_config: Any, no_loggers: None, no_trials: None) -> Any:
    """Return a trained run on a tiny backbone."""
    from cytosae_toolkit.training import train

    return train(tiny_config(held_out=0.0, steps=5))
