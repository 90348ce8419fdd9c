"""Interleaved times, and peak memory in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def interleaved(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return seconds of calls that take turns, `rounds` times after one turn to warm up."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:
                found[name].append(time.perf_counter() - start)
    return found


def awaited(call: Callable[[], object], device: str) -> Callable[[], object]:
    """Return a call that ends when the device has done its work."""
    if not device.startswith("cuda"):
        return call

    def whole() -> None:
        import torch

        call()
        torch.cuda.synchronize(device)

    return whole


def spread(values: list[float], digits: int = 2) -> str:
    """Return median and range, such as ``"4.10 (3.95 to 4.31)"``."""
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Return the ratio of each round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def in_process(module: str, *arguments: str) -> Any:
    """Run ``python -m module arguments`` and return the JSON of its last line."""
    command = [sys.executable, "-m", module, *arguments]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ).stdout
    return json.loads(output.splitlines()[-1])


def status_bytes(field: str) -> int:
    """Return a memory figure of this process: ``"VmRSS"``, or ``"VmHWM"``, the peak; Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"This system does not tell {field}.")


def forget_peak() -> None:
    """Let the peak begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def machine() -> str:
    """Return a sentence about this machine."""
    import platform

    import torch

    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    flags = [name for name in ("AVX2", "AVX512", "AMX") if name in torch.backends.cpu.get_cpu_capability().upper()]
    gpus = "".join(f"{torch.cuda.get_device_name(i)}, " for i in range(torch.cuda.device_count()))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{gpus}{model}, {os.cpu_count()} cores ({', '.join(flags) or 'no vector extensions'}), {memory:.0f} GiB, "
        f"Python {platform.python_version()}, PyTorch {torch.__version__}, {torch.get_num_threads()} threads"
    )
