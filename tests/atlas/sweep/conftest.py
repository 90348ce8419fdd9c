"""A sweep that takes a blink, and its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cytosae_toolkit.atlas.sweep import SweepWork, run_sweep


@pytest.fixture
def sweep_file(tiny_backbone: dict[str, str], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a sweep of tiny trainings; its arguments are the parts of the file."""

    def write(name: str = "sweep.yaml", base: dict[str, Any] | None = None, **parts: Any) -> Path:
        tiny = {
            "backbone": "timm", "backbone_options": dict(tiny_backbone), "expansion": 2.0, "steps": 12,
            "batch_tokens": 32, "log_every": 4, "checkpoint_every": 5, "held_out": 0.25,
        }  # fmt: skip
        path = tmp_path / name
        path.write_text(yaml.safe_dump({"base": tiny | (base or {}), **parts}))
        return path

    return write


@pytest.fixture
def sweep(tiny_images: Path) -> Callable[..., Any]:
    """Return `run_sweep` on the tiny images, on the CPU; keywords of `SweepWork` are taken too."""

    def run(source: Any, out: Path, *, images: Path = tiny_images, seeds: Any = None, shard: Any = (0, 1), **work: Any):
        return run_sweep(source, images, out, seeds=seeds, shard=shard, work=SweepWork(device="cpu", **work))

    return run
