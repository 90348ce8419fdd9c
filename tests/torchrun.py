"""Start a program in two processes, as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path


@cache
def _bytecode() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for compiled modules: compiled once, as on a user's machine, not in every process."""
    return tempfile.TemporaryDirectory(prefix="bytecode-", ignore_cleanup_errors=True)


def torchrun(*arguments: object, log: Path) -> subprocess.Popen[bytes]:
    """Start ``torchrun --nproc-per-node 2``; what the processes print goes to a file."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {
        "PYTHONPYCACHEPREFIX": _bytecode().name,
        "OMP_NUM_THREADS": "1",
        "CYTOSAE_DISABLE_PLUGINS": "cytosae-tensorboard",
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*command, *map(str, arguments)], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
