"""Importing the heavy libraries in a thread without holding up the window.

What blocks the GUI thread while another thread imports is what keeps Python's global lock: loading PyTorch's shared
libraries, and above all the garbage collector, which looks at every object of viewer and libraries several times while
hundreds of thousands of new ones arrive.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

HEAVY = (
    "pandas",
    "scipy.sparse",
    "zarr",
    "torch",
    "cytosae_toolkit.explore.analysing",
    "cytosae_toolkit.explore",
)
"""What opening an atlas imports; in steps, so that the GUI thread has its turn."""
READING = ("torch._dynamo", "torchvision", "timm")
"""What reading images imports besides."""
LEARNING = (*READING, "torch.utils.tensorboard", "cytosae_toolkit.training", "cytosae_toolkit.atlas.building")
"""What learning imports besides."""
TORCH = ("torch_global_deps", "c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch")
"""Shared libraries of PyTorch that know nothing of Python, in the order in which they need each other."""
heavy_imported = threading.Event()
"""Whether the GUI thread can import what needs them without waiting for a thread that is at it."""
PAUSE = 0.005
"""Seconds between two imports."""


def import_heavy(names: tuple[str, ...] = HEAVY) -> None:
    """Import modules, in a thread beside the GUI; what is not installed is left out."""
    missing = [name for name in names if name not in sys.modules]
    if missing:
        with collector_at_rest():
            if "torch" in missing:
                load_libraries(TORCH)
            for name in missing:
                with suppress(ImportError):
                    import_module(name)
                time.sleep(PAUSE)
    heavy_imported.set()


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Collect no garbage meanwhile, and never look for any among what is there then, until `look_again`.

    Modules live as long as the program: there is nothing to be found in them.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        atexit.register(look_again)  # libraries that count what they leave behind would complain
        if collecting:
            gc.enable()


def look_again() -> None:
    """Let the garbage collector look at everything again; called when a viewer goes, so that its memory is freed."""
    gc.unfreeze()


def load_libraries(names: tuple[str, ...], package: str = "torch") -> None:
    """Load shared libraries of a package before it is imported, while other threads go on.

    Python's own import holds its lock until a library is loaded and has set itself up; a call through `ctypes` does
    not. What cannot be loaded so is left to the import.
    """
    spec = None if os.name == "nt" else find_spec(package)
    if spec is None or spec.origin is None:
        return
    load = ctypes.CDLL(None).dlopen
    load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    for name in names:
        path = Path(spec.origin).parent / "lib" / f"lib{name}{'.dylib' if sys.platform == 'darwin' else '.so'}"
        if path.exists() and not load(os.fsencode(path), os.RTLD_NOW | os.RTLD_GLOBAL):
            return
