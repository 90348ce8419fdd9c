"""Forks a process per line of stdin that fills the store named there; for test_kill, which kills them.

Torch is imported once, before forking. A line is ``STORE I N``; the answers are ``pid N`` and, when the process has
ended, ``ended STATUS``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from token_parts import Images, Matrix, computer

from cytosae_toolkit.tokens import TokenStore, extract

N_IMAGES = 64 * 24 + 10


def work(place: str, i: int, n: int) -> None:
    made = computer(Matrix(seconds=0.001))
    store = TokenStore.open_or_create(Path(place), made.identity)
    extract(Images(range(N_IMAGES)), made, store, shard=(i, n))


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        place, i, n = line.rsplit(" ", 2)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                work(place, int(i), int(n))
                code = 0
            finally:
                os._exit(code)
        print(f"pid {pid}", flush=True)
        print(f"ended {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}", flush=True)


if __name__ == "__main__":
    main()
