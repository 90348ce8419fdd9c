"""What a run will be before it starts: sizes that follow the data, and the time, memory and disk that it needs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.training.config import TrainConfig, count_latents

FLOAT = 4
MEMORY_MARGIN = 0.9


@dataclass(frozen=True)
class Sizes:
    """Values of a configuration that follow the data unless given.

    Parameters
    ----------
    d_model, d_sae : int
        Length of a token; number of latents.
    batch_tokens : int
        Tokens of a batch, whichever way it is made.
    steps, warmup_steps : int
        Training steps; those of the warm-up.
    """

    d_model: int
    d_sae: int
    batch_tokens: int
    steps: int
    warmup_steps: int


def resolve_sizes(config: TrainConfig, *, d_model: int, n_images: int, tokens_per_image: int) -> Sizes:
    """Choose what the configuration leaves open.

    Parameters
    ----------
    config : TrainConfig
        The configuration.
    d_model : int
        Length of a token.
    n_images : int
        Training images.
    tokens_per_image : int
        Tokens of each, prefix included.

    Raises
    ------
    CytosaeError
        If there are fewer images or tokens than a batch.
    """
    n_tokens = n_images * tokens_per_image
    d_sae = config.d_sae or count_latents(d_model, config.expansion or default_expansion(n_tokens))
    batch = _batch_tokens(config, n_images, tokens_per_image)
    steps = config.steps or default_steps(n_tokens, batch)
    warmup = min(500, max(1, steps // 20)) if config.warmup_steps is None else config.warmup_steps
    return Sizes(d_model, d_sae, batch, steps, warmup)


def default_expansion(n_tokens: int) -> float:
    """Return the expansion factor for so many training tokens: more data carry more latents, up to the paper's 64."""
    for limit, expansion in ((100_000, 8.0), (500_000, 16.0), (3_000_000, 32.0)):
        if n_tokens < limit:
            return expansion
    return 64.0


def default_steps(n_tokens: int, batch_tokens: int) -> int:
    """Return steps that show each token some thirty times, at least 4 million and at most the paper's 257 million."""
    shown = min(max(30 * n_tokens, 4_000_000), 257_000_000)
    return max(1, round(shown / batch_tokens))


def default_batch(n_tokens: int) -> int:
    """Return the tokens of a batch, if memory allows, for so many training tokens."""
    return min(4096, n_tokens)


def _batch_tokens(config: TrainConfig, n_images: int, tokens_per_image: int) -> int:
    if config.batch_images is not None:
        if config.batch_images > n_images:
            raise CytosaeError(
                f"A batch of {config.batch_images} images is more than the {n_images} training images.",
                "Lower --batch-images or give more images.",
            )
        return config.batch_images * tokens_per_image
    n_tokens = n_images * tokens_per_image
    if config.batch_tokens is None:
        return default_batch(n_tokens)
    if config.batch_tokens > n_tokens:
        raise CytosaeError(
            f"A batch of {config.batch_tokens} tokens is more than the {n_tokens} tokens of the {n_images} training "
            "images.",
            "Lower --batch-tokens or give more images.",
        )
    return config.batch_tokens


@dataclass(frozen=True)
class Plan:
    """What `train` says before it starts.

    Parameters
    ----------
    n_images, n_train, n_held_out : int
        Images in all, to learn from, held out.
    split_unit : str
        What is never split: ``"patient"``, ``"group"``, …
    tokens_per_image : int
        Prefix and patch tokens.
    sizes : Sizes
        Latents, batch, steps.
    images_to_read : int
        Images whose tokens are not in the store yet.
    memory_bytes, memory_available : int
        Peak need and what the device has.
    disk_bytes, disk_available : int
        Tokens and run folder, and what the disk has.
    seconds_tokens, seconds_training : float
        Expected, from short trials on this machine.
    """

    n_images: int
    n_train: int
    n_held_out: int
    split_unit: str
    tokens_per_image: int
    sizes: Sizes
    images_to_read: int
    memory_bytes: int
    memory_available: int
    disk_bytes: int
    disk_available: int
    seconds_tokens: float
    seconds_training: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-compatible values, those of `sizes` among them."""
        values = asdict(self)
        sizes: dict[str, Any] = values.pop("sizes")
        return values | sizes

    def lines(self) -> list[str]:
        """Return the plan in sentences for a person."""
        sizes = self.sizes
        return [
            f"Images    {self.n_images:,} ({self.n_train:,} to learn from, {self.n_held_out:,} held out by "
            f"{self.split_unit})",
            f"Tokens    {self.n_images * self.tokens_per_image:,} of length {sizes.d_model} "
            f"({self.tokens_per_image} an image; {self.images_to_read:,} images still to read)",
            f"Latents   {sizes.d_sae:,} (expansion {sizes.d_sae / sizes.d_model:g})",
            f"Steps     {sizes.steps:,} of {sizes.batch_tokens:,} tokens",
            f"Time      about {duration(self.seconds_tokens + self.seconds_training)} "
            f"({duration(self.seconds_tokens)} tokens, {duration(self.seconds_training)} training)",
            f"Memory    about {size(self.memory_bytes)} of {size(self.memory_available)} free",
            f"Disk      about {size(self.disk_bytes)} of {size(self.disk_available)} free",
        ]

    def check(self) -> None:
        """Refuse what cannot fit.

        Raises
        ------
        CytosaeError
            If memory or disk will not do.
        """
        if self.memory_bytes > MEMORY_MARGIN * self.memory_available:
            raise CytosaeError(
                f"Training needs about {size(self.memory_bytes)} of memory, {size(self.memory_available)} are free.",
                "Lower --batch-tokens or --expansion.",
            )
        if self.disk_bytes > self.disk_available:
            raise CytosaeError(
                f"Tokens and run need about {size(self.disk_bytes)} of disk, {size(self.disk_available)} are free.",
                "Free some space, choose another --tokens or --out, or use --no-token-store.",
            )


def step_memory(sizes: Sizes, sae: SparseAutoencoder, window_bytes: int) -> int:
    """Return the peak bytes of a training step: weights, gradients, Adam's moments, the step's own, token windows."""
    parameters = 2 * sizes.d_model * sizes.d_sae * FLOAT
    return 4 * parameters + sae.step_bytes(sizes.batch_tokens) + 3 * window_bytes


def run_disk(sizes: Sizes) -> int:
    """Return the bytes of a run folder: weights, and two checkpoints while one replaces the other."""
    return 2 * sizes.d_model * sizes.d_sae * FLOAT * (1 + 2 * 3)


def memory_available(device: str) -> int:
    """Return the free bytes of the device that trains."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def disk_available(path: Path) -> int:
    """Return the free bytes of the disk that holds a path, which need not exist yet."""
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free


def seconds_per_call(function: Callable[[], object], seconds: float = 0.3) -> float:
    """Return the best time of a few calls, after one call to warm up."""
    function()
    best, spent = float("inf"), 0.0
    while spent < seconds:
        start = time.perf_counter()
        function()
        elapsed = time.perf_counter() - start
        best, spent = min(best, elapsed), spent + elapsed
    return best


def step_seconds(sizes: Sizes, sae: SparseAutoencoder, device: str) -> float:
    """Expect the time of a training step from the time of a part of its encoder product, tried on the device."""
    tokens, latents = min(sizes.batch_tokens, 1024), min(sizes.d_sae, 4096)
    x = torch.randn(tokens, sizes.d_model, device=device)
    weight = torch.randn(sizes.d_model, latents, device=device)

    def product() -> None:
        x @ weight
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    share = (sizes.batch_tokens * sizes.d_sae) / (tokens * latents)
    return seconds_per_call(product) * share * sae.step_products


def fit_batch(config: TrainConfig, sizes: Sizes, sae: SparseAutoencoder, available: int, window_bytes: int) -> Sizes:
    """Halve a batch that nobody asked for until it fits the memory, down to 256 tokens."""
    chosen = config.batch_tokens is not None or config.batch_images is not None
    limit = MEMORY_MARGIN * available
    while not chosen and sizes.batch_tokens > 256 and step_memory(sizes, sae, window_bytes) > limit:
        half = sizes.batch_tokens // 2
        sizes = replace(sizes, batch_tokens=half, steps=sizes.steps if config.steps else 2 * sizes.steps)
    return sizes


def duration(seconds: float) -> str:
    """Return a time for a person, such as ``"40 s"``, ``"12 min"``, ``"3.5 h"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def size(n_bytes: float) -> str:
    """Return an amount of memory for a person, such as ``"3.2 GB"``."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit in ("B", "kB") else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"
