"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cytosae_toolkit.training import TrainConfig

ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Share the whole suite among processes; a few files are faster in one."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return min(4, os.cpu_count() or 1) if whole else 0


def skip_or_fail(reason: str) -> None:
    """Skip with a reason; where everything must be present (CI=true) fail instead."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{reason} (not allowed where CI=true)")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real images, parity numbers and weights for development (`CYTOSAE_TEST_DATA`)."""
    folder = Path(os.environ.get("CYTOSAE_TEST_DATA", ROOT.parent / "shared"))
    if not folder.is_dir():
        skip_or_fail(f"the folder of test data {folder} is absent; set CYTOSAE_TEST_DATA")
    return folder.resolve()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache out of the tests."""
    monkeypatch.setenv("CYTOSAE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny tensors are faster on one thread, and tests do not fight over cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two class folders with 24 images of noise, 32x32 pixels. Copy it before you change it."""
    import numpy as np
    from PIL import Image

    folder, rng = tmp_path_factory.mktemp("tiny") / "images", np.random.default_rng(0)
    for label in ("blast", "lymphocyte"):
        (folder / label).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{label}-{i:02}.png")
    return folder


@pytest.fixture(scope="session")
def tiny_backbone() -> dict[str, str]:
    """Options of the backbone `timm` that make it tiny: 5 tokens of length 64 an image, 6 blocks, no download."""
    return {"model": "test_vit", "untrained": "true", "size": "32"}


@pytest.fixture
def no_loggers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave TensorBoard out, whose import takes seconds."""
    from cytosae_toolkit.plugins import reset_registry

    monkeypatch.setenv("CYTOSAE_DISABLE_PLUGINS", "cytosae-tensorboard")
    reset_registry()
    yield
    monkeypatch.undo()
    reset_registry()


@pytest.fixture
def no_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expect times without trying them: that takes half a second for each training."""
    monkeypatch.setattr("cytosae_toolkit.training.plan.seconds_per_call", lambda function, seconds=0.0: 1e-3)


@pytest.fixture
def tiny_config(tiny_images: Path, tiny_backbone: dict[str, str], tmp_path: Path) -> Callable[..., TrainConfig]:
    """Return a function that makes a configuration of a training that takes a blink; its arguments change it."""
    from cytosae_toolkit.training import TrainConfig

    def make(**changes: Any) -> TrainConfig:
        values = {
            "images": str(tiny_images),
            "out": tmp_path / "run",
            "backbone": "timm",
            "backbone_options": tiny_backbone,
            "expansion": 2.0,
            "steps": 20,
            "batch_tokens": 32,
            "device": "cpu",
            "log_every": 5,
        }
        return TrainConfig(**{name: value for name, value in (values | changes).items() if value is not None})

    return make
