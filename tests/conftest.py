"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def skip_or_fail(reason: str) -> None:
    """Skip with a reason; where everything must be present (CI=true) fail instead."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{reason} (not allowed where CI=true)")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real images, parity numbers and weights for development (`CYTOSAE_TEST_DATA`)."""
    folder = Path(os.environ.get("CYTOSAE_TEST_DATA", ROOT.parent / "shared"))
    if not folder.is_dir():
        skip_or_fail(f"the folder of test data {folder} is absent; set CYTOSAE_TEST_DATA")
    return folder.resolve()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache out of the tests."""
    monkeypatch.setenv("CYTOSAE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny tensors are faster on one thread, and tests do not fight over cores."""
    import torch

    torch.set_num_threads(1)
