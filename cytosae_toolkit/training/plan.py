"""What a run will need before it starts: time, memory and disk."""

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
from cytosae_toolkit.training.config import TrainConfig
from cytosae_toolkit.training.sizes import Sizes

FLOAT = 4
MEMORY_MARGIN = 0.9


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
        Peak need of a process and what its device has.
    disk_bytes, disk_available : int
        Tokens and run folder, and what the disk has.
    seconds_tokens, seconds_training : float
        Expected, from short trials on this machine.
    processes, devices : int
        Processes of this machine that train together, and the devices whose memory they share evenly: one GPU each,
        or one memory of the machine for all.
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
    processes: int = 1
    devices: int = 1

    @property
    def device_bytes(self) -> int:
        """Peak need of all processes that share a device's memory."""
        return self.memory_bytes * (self.processes // self.devices)

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
            f"Memory    about {self._memory()}",
            f"Disk      about {size(self.disk_bytes)} of {size(self.disk_available)} free",
        ]

    def _memory(self) -> str:
        need, free = size(self.memory_bytes), size(self.memory_available)
        if self.processes == 1:
            return f"{need} of {free} free"
        if self.devices == self.processes:
            return f"{need} on each of {self.devices} GPUs, of {free} free on one"
        return f"{need} in each of {self.processes} processes, {size(self.device_bytes)} together, of {free} free"

    def check(self) -> None:
        """Refuse what cannot fit.

        Raises
        ------
        CytosaeError
            If memory or disk will not do.
        """
        if self.device_bytes > MEMORY_MARGIN * self.memory_available:
            sharing = self.processes // self.devices
            raise CytosaeError(
                f"Training needs about {size(self.device_bytes)} of memory"
                f"{f' for {sharing} processes' if sharing > 1 else ''}, {size(self.memory_available)} are free.",
                f"Lower --batch-tokens or --expansion{', or start fewer processes' if sharing > 1 else ''}.",
            )
        if self.disk_bytes > self.disk_available:
            raise CytosaeError(
                f"Tokens and run need about {size(self.disk_bytes)} of disk, {size(self.disk_available)} are free.",
                "Free some space, choose another --tokens or --out, or use --no-token-store.",
            )


def step_memory(sizes: Sizes, sae: SparseAutoencoder, window_bytes: int, n_ranks: int = 1) -> int:
    """Return the peak bytes of a training step: weights, gradients, Adam's moments, the step's own, token windows.

    Parameters
    ----------
    sizes : Sizes
        Of the training.
    sae : SparseAutoencoder
        Knows what its step takes.
    window_bytes : int
        Of a whole window of tokens.
    n_ranks : int
        Processes that share each batch and each window; the result is what one of them needs.
    """
    parameters = 2 * sizes.d_model * sizes.d_sae * FLOAT
    return 4 * parameters + sae.step_bytes(-(-sizes.batch_tokens // n_ranks)) + 3 * window_bytes // n_ranks


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


def fit_batch(config: TrainConfig, sizes: Sizes, need: Callable[[Sizes], float], available: int) -> Sizes:
    """Halve a batch that nobody asked for until it fits the memory, down to 256 tokens.

    Parameters
    ----------
    config : TrainConfig
        Says what was asked for.
    sizes : Sizes
        With the batch wished for.
    need : callable
        From sizes to the bytes that they take of the device's memory.
    available : int
        Bytes that the device has.
    """
    chosen = config.batch_tokens is not None or config.batch_images is not None
    while not chosen and sizes.batch_tokens > 256 and need(sizes) > MEMORY_MARGIN * available:
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
