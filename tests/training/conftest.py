"""A toy SAE variant that no plugin provides, batches made by formula, images that may be changed, a logger."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.interfaces.sae import SparseAutoencoder, StepContext

from .few_tokens import FewTokens


class Toy(SparseAutoencoder):
    """Learns from noisy tokens, has a parameter of its own and remembers the hooks that were called."""

    recommended_lr = 1e-2

    def __init__(self, d_model: int = 6, d_sae: int = 24) -> None:
        super().__init__(d_model, d_sae)
        self.gain = nn.Parameter(torch.ones(()))
        self.calls: list[str] = []
        self.initialize(torch.zeros(1, d_model), torch.Generator().manual_seed(0))

    def encode(self, tokens: Tensor) -> Tensor:
        return torch.relu((tokens - self.b_dec) @ self.W_enc + self.b_enc) * self.gain

    def initialize(self, tokens: Tensor, generator: torch.Generator) -> None:
        with torch.no_grad():
            self.W_dec.copy_(torch.randn(self.W_dec.shape, generator=generator))
            self.W_enc.copy_(self.W_dec.T / self.d_model)
            self.b_dec.copy_(tokens.mean(dim=0))

    def loss(self, tokens: Tensor, context: StepContext) -> dict[str, Tensor]:
        self.calls.append("loss")
        x = tokens.reshape(-1, self.d_model)
        latents = self.encode(x + 0.1 * torch.randn(x.shape, generator=context.generator))
        self.note_fired((latents.detach() > 0).any(dim=0))
        return {"error": (self.decode(latents) - x).square().mean(), "l0": 1e-3 * latents.sum(dim=1).mean()}

    def before_step(self) -> None:
        self.calls.append("before_step")

    def after_backward(self) -> None:
        self.calls.append("after_backward")

    def after_step(self) -> None:
        self.calls.append("after_step")


class FormulaBatches:
    """The batch of a step is a function of the step; `spoil` changes batches of some steps."""

    def __init__(self, d_model: int = 6, spoil: dict[int, float] | None = None) -> None:
        self.d_model, self.spoil = d_model, spoil or {}

    def iterate(self, start: int, n: int) -> Iterator[Tensor]:
        for step in range(start, start + n):
            batch = torch.randn(16, self.d_model, generator=torch.Generator().manual_seed(step)) + 2
            batch[0, 0] = self.spoil.get(step, batch[0, 0])
            yield batch


@pytest.fixture
def toy() -> Callable[..., Any]:
    """Return the class of the toy variant."""
    return Toy


@pytest.fixture
def formula_batches() -> Callable[..., Any]:
    """Return the class of the batches made by formula."""
    return FormulaBatches


@pytest.fixture
def images(tiny_images: Path, tmp_path: Path) -> Path:
    """A copy of the tiny images that may be changed."""
    return Path(shutil.copytree(tiny_images, tmp_path / "images"))


@pytest.fixture
def patients(images: Path) -> Path:
    """A table of the tiny images: six patients of four images, some photographed twice."""
    paths = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.png"))
    table = pd.DataFrame({"path": paths, "patient": [f"P{i // 4}" for i in range(24)]})
    table.to_csv(images / "patients.csv", index=False)
    table.drop(columns="patient").assign(group=[f"g{i // 2}" for i in range(24)]).to_csv(
        images / "groups.csv", index=False
    )
    return images / "patients.csv"


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install a logger that remembers its events and fails when told so."""
    from cytosae_toolkit import plugins

    class Logger:
        def __init__(self):
            self.events, self.fails = [], False

        @hookimpl
        def cytosae_training_event(self, event):
            self.events.append(event)
            if self.fails:
                raise RuntimeError("the logger broke")

    logger = Logger()
    real = plugins.registry()
    added = plugins.Registry.from_plugins([("lab", "1.0", "logger", logger)])
    both = plugins.Registry([*real.plugins, *added.plugins])
    monkeypatch.setattr(plugins, "registry", lambda: both)
    return logger


@pytest.fixture
def view() -> FewTokens:
    """Tokens of 60 images, float16 [60, 5, 6]."""
    return FewTokens(np.random.default_rng(0).normal(2, 1, size=(60, 5, 6)).astype(np.float16))
