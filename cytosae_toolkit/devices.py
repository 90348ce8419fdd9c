"""Where and in which precision to compute: the meaning of `--device auto` and `--precision auto`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cytosae_toolkit.errors import CytosaeError, nearest

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "float32", "tf32", "bfloat16")


def resolve_device(device: str = "auto") -> str:
    """Return a usable torch device name.

    Parameters
    ----------
    device : str
        ``"auto"`` (CUDA, else Apple's MPS, else CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Raises
    ------
    CytosaeError
        If the device is unknown or absent.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise CytosaeError(f"There is no device {device!r}.", nearest(device, ["auto", "cpu", "cuda", "mps"])) from None
    if kind == "cuda":
        _check_cuda(device)
    elif kind == "mps" and not torch.backends.mps.is_available():
        raise CytosaeError("The device 'mps' is not available on this machine.", "Use --device auto.")
    elif kind not in ("cpu", "mps"):
        raise CytosaeError(f"The device {device!r} is not supported.", nearest(kind, ["auto", "cpu", "cuda", "mps"]))
    return device


def _check_cuda(device: str) -> None:
    import torch

    if not torch.cuda.is_available():
        raise CytosaeError(
            f"The device {device!r} was asked for, but PyTorch finds no CUDA GPU here.", "Use --device auto."
        )
    index = torch.device(device).index or 0
    if index >= torch.cuda.device_count():
        raise CytosaeError(
            f"The device {device!r} does not exist: this machine has {torch.cuda.device_count()} GPU(s).",
            "GPUs count from 0.",
        )


def resolve_precision(precision: str, device: str) -> str:
    """Return ``"float32"``, ``"tf32"`` or ``"bfloat16"``, the precision of matrix products.

    ``auto`` is float32 on the CPU and MPS, bfloat16 on CUDA GPUs that have it, else float32. Parameters, tokens and
    reductions stay float32 whatever the precision.

    Raises
    ------
    CytosaeError
        If the hardware lacks what was asked for.
    """
    if precision not in PRECISIONS:
        raise CytosaeError(f"The precision {precision!r} is unknown.", nearest(precision, list(PRECISIONS)))
    cuda = device.startswith("cuda")
    if precision == "auto":
        return "bfloat16" if cuda and _has_bfloat16() else "float32"
    if precision == "tf32" and not cuda:
        raise CytosaeError(f"TF32 exists on CUDA GPUs only, not on {device!r}.", "Use --precision auto.")
    if precision == "bfloat16" and cuda and not _has_bfloat16():
        raise CytosaeError("This GPU does not compute in bfloat16.", "Use --precision auto.")
    return precision


def _has_bfloat16() -> bool:
    import torch

    return torch.cuda.get_device_capability()[0] >= 8


def autocast(device: str, precision: str) -> torch.autocast:
    """Return the autocast context for a resolved device and precision."""
    import torch

    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=precision == "bfloat16")
