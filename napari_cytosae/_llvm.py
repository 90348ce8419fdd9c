"""Two LLVMs in one process: why Triton must not be loaded behind the window of a viewer."""

from __future__ import annotations

import sys
from pathlib import Path

MAPS = Path("/proc/self/maps")


def keep_triton_out() -> None:
    """Let PyTorch do without Triton where the graphics driver has an LLVM already.

    Mesa draws with LLVM, and Triton's library carries another one; loading it second ends the process with a
    segmentation fault, and PyTorch loads it as soon as an optimizer is made. PyTorch takes a Triton that cannot be
    imported for one that is not installed; only compiled models would need it.
    """
    if "triton" not in sys.modules and _has_llvm():
        sys.modules["triton"] = None  # type: ignore[assignment]  # so that an import fails instead of the process


def _has_llvm() -> bool:
    try:
        return "libLLVM" in MAPS.read_text(errors="replace")
    except OSError:  # other systems, whose drivers keep their LLVM to themselves
        return False
