"""Kill -9 at random moments of the extraction; resuming must give the uninterrupted store."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from token_parts import contents

from cytosae_toolkit.tokens import TokenStore, verify_store

HERE = Path(__file__).parent

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]


class Worker:
    """The process of `killed_worker`, which forks one extraction at a time."""

    def __enter__(self):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "killed_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._answer() == "ready"
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(60)

    def _answer(self):
        return self._process.stdout.readline().strip()

    def start(self, store):
        self._process.stdin.write(f"{store} 0 1\n")
        self._process.stdin.flush()
        return int(self._answer().removeprefix("pid "))

    def ended(self):
        return int(self._answer().removeprefix("ended "))


def test_ten_kills_give_the_uninterrupted_store(tmp_path):
    moments = random.Random(0)
    with Worker() as worker:
        started = time.monotonic()
        worker.start(tmp_path / "whole")
        assert worker.ended() == 0
        duration = time.monotonic() - started
        killed, blocks = 0, []
        for _ in range(10):
            pid = worker.start(tmp_path / "killed")
            time.sleep(moments.uniform(0.02, 0.16) * duration)
            os.kill(pid, signal.SIGKILL)
            killed += worker.ended() == -signal.SIGKILL
            if (tmp_path / "killed" / "zarr.json").exists():
                blocks.append(len(TokenStore.open(tmp_path / "killed").blocks))
                assert verify_store(tmp_path / "killed").ok
        worker.start(tmp_path / "killed")
        assert worker.ended() == 0
    assert killed == 10
    assert blocks == sorted(blocks)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    one, other = (TokenStore.open(tmp_path / name).array[:] for name in ("killed", "whole"))
    np.testing.assert_array_equal(one, other)
