"""Starting is fast: neither the package nor ``--help`` nor ``plugins`` imports anything heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "torchvision", "timm", "pandas", "zarr", "anndata", "matplotlib", "sklearn", "skimage", "scipy"}
HEAVY |= {"numpy", "PIL", "pyarrow", "napari", "qtpy", "safetensors", "pooch", "requests"}

RUN = """
import json, sys
sys.argv = ["cytosae-toolkit", *{arguments!r}]
from cytosae_toolkit.cli.main import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""

COMMANDS = [
    ["--help"],
    ["--version"],
    ["train", "--help"],
    ["tokens", "--help"],
    ["plugins", "--help"],
    ["plugins"],
    ["plugins", "list", "--json"],
    ["plugins", "show", "relu-l1"],
]


def modules_after(script: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stderr.strip().splitlines()[-1])}


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_commands_that_only_list_import_nothing_heavy(arguments: list[str]) -> None:
    assert not modules_after(RUN.format(arguments=arguments)) & HEAVY


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = "import json, sys, cytosae_toolkit; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    assert not modules_after(script) & (HEAVY | {"pydantic", "typer", "rich", "pluggy"})


def least_work(*arguments: str, cache: Path) -> float:
    """Return seconds of processor time, the least of several runs: wall time would depend on the neighbours."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(cache)  # compiled once, as on a user's machine
    times = []
    for _ in range(4):
        before = os.times()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True, env=environment)
        after = os.times()
        user, system = after.children_user - before.children_user, after.children_system - before.children_system
        times.append(user + system)
    return min(times)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not count the work of child processes")
def test_listing_takes_less_than_half_a_second(tmp_path: Path) -> None:
    for arguments in (["--help"], ["plugins", "list"]):
        assert least_work("-m", "cytosae_toolkit", *arguments, cache=tmp_path) < 0.5


def test_the_public_names_exist_and_are_complete() -> None:
    import cytosae_toolkit

    assert set(cytosae_toolkit.__all__) <= set(dir(cytosae_toolkit))
    for name in cytosae_toolkit.__all__:
        assert getattr(cytosae_toolkit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = cytosae_toolkit.nonsense
