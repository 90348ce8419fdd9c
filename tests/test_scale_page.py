"""The job array of docs/scale.md does what the page says: its shards make the atlas of one build."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cytosae_toolkit.atlas.building import build_atlas
from cytosae_toolkit.atlas.reading import open_atlas
from cytosae_toolkit.cli.main import app

from .atlas.conftest import cell_table, cells, whole_run, whole_run_folder
from .atlas.test_building import contents

__all__ = ["cell_table", "cells", "whole_run", "whole_run_folder"]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scale.md"
SRUN = '#!/bin/sh\nexec "$@"\n'
PROGRAM = """#!{python}
import json, sys
print(json.dumps(sys.argv[1:]))
"""


def block(name: str) -> str:
    """Return the fenced block of the page that a comment names."""
    found = re.search(rf"<!-- {name} -->\n```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def submit(tmp_path, monkeypatch):
    """Return a function that runs the script as a task of the array does; it returns the arguments of the program."""
    (tmp_path / "bin").mkdir()
    for name, text in (("srun", SRUN), ("cytosae-toolkit", PROGRAM.format(python=sys.executable))):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "atlas.sbatch").write_text(block("sbatch"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)

    def run(task: int, *arguments: object) -> list[str]:
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(task))
        done = subprocess.run(
            ["bash", "atlas.sbatch", *map(str, arguments)], check=True, capture_output=True, text=True
        )
        return json.loads(done.stdout)

    return run


@pytest.mark.skipif(os.name == "nt", reason="a script for bash")
def test_the_job_array_makes_the_atlas_of_one_build(submit, whole_run, cells, cell_table, tmp_path):
    first, last = re.search(r"--array=(\d+)-(\d+)", block("sbatch")).groups()
    merge = [part for part in shlex.split(block("merge"))[1:] if part != "parts/cells-*"]
    for task in range(int(first), int(last) + 1):
        if task == 2:
            parts = sorted(map(str, Path("parts").glob("cells-*")))
            refused = CliRunner().invoke(app, [*merge, *parts])
            assert refused.exit_code == 2
            assert "shards 2, 3 of 4 are missing" in refused.output
        done = CliRunner().invoke(app, submit(task, whole_run.path, cell_table, "cells"))
        assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, [*merge, *map(str, Path("parts").glob("cells-*")), "--quiet"])
    assert done.exit_code == 0, done.output
    expected = build_atlas(whole_run, cells, tmp_path / "one.atlas.zarr")
    assert contents(open_atlas(tmp_path / "cells.atlas.zarr").path) == contents(expected.path)
