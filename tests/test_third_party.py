"""A foreign distribution, really built and installed into a fresh environment, is a full citizen there."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, skip_or_fail

PLUGIN = ROOT / "tests" / "third_party"
UNREACHABLE = ("No matching distribution", "Could not find a version", "ConnectionError", "NewConnectionError")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment, away from the checkout."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"VIRTUAL_ENV": str(self.folder), "PYTHONNOUSERSITE": "1"}
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=cwd or self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def toolkit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("cytosae-toolkit", *arguments)

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("python", "-m", "pip", "--disable-pip-version-check", *arguments)

    def share_dependencies(self) -> None:
        """Let this environment see torch and the like where they are: they weigh gigabytes."""
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        own = Path(self.run("python", "-c", code).stdout.strip())
        shared = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (own / "shared_dependencies.pth").write_text("\n".join(sorted(shared)) + "\n", encoding="utf-8")


def _build(environment: Environment, source: Path, wheels: Path) -> None:
    done = environment.pip("wheel", "--no-deps", "--wheel-dir", str(wheels), str(source))
    if done.returncode and any(sign in done.stderr + done.stdout for sign in UNREACHABLE):
        skip_or_fail("the package index, which has the build tool hatchling, is unreachable")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment with the wheels of the toolkit and of the foreign plugin."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    try:
        venv.create(folder, with_pip=True)
    except subprocess.CalledProcessError:
        skip_or_fail("this Python has no ensurepip, so that no environment with pip can be made")
    made = Environment(folder)
    wheels = folder.parent / "wheels"
    for source in (ROOT, PLUGIN):
        _build(made, source, wheels)
    installed = made.pip("install", "--no-deps", "--no-index", *(str(wheel) for wheel in wheels.glob("*.whl")))
    assert installed.returncode == 0, installed.stderr
    made.share_dependencies()
    return made


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small images in two class folders."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for index in range(12):
        label = folder / ("blue" if index % 2 else "red")
        label.mkdir(exist_ok=True)
        pixels = random.integers(0, 255, (40, 48, 3), dtype=np.uint8)
        pixels[10:30, 10:40] = (200, 40, 40) if index % 2 else (40, 40, 200)
        Image.fromarray(pixels).save(label / f"{index}.png")
    return folder


def _json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_toolkit_is_the_wheels_and_not_the_checkouts(environment: Environment) -> None:
    code = "import cytosae_toolkit, cytosae_relu_l1; print(cytosae_toolkit.__file__, cytosae_relu_l1.__file__)"
    files = environment.run("python", "-c", code).stdout.split()
    assert len(files) == 2
    assert all(Path(file).resolve().is_relative_to(environment.folder.resolve()) for file in files)


def test_its_parts_are_listed(environment: Environment) -> None:
    listing = _json(environment.toolkit("plugins", "list", "--json"))
    own = {part["name"]: part for part in listing["parts"] if part["distribution"] == "cytosae-example-plugin"}
    assert {name: part["kind"] for name, part in own.items()} == {
        "color-grid": "backbone",
        "jump-relu": "sae",
        "share": "aggregator",
    }
    assert {part["state"] for part in own.values()} == {"ok"}
    assert {part["distribution"] for part in listing["parts"]} == {"cytosae-toolkit", "cytosae-example-plugin"}
    assert len({plugin["name"] for plugin in listing["plugins"]}) == len(listing["plugins"])


def test_its_parts_keep_their_contracts(environment: Environment) -> None:
    checked = _json(environment.toolkit("plugins", "check", "example", "--json"))
    assert {part["name"].partition("/")[2] for part in checked} == {"color-grid", "jump-relu", "share"}
    assert {outcome["state"] for part in checked for outcome in part["checks"]} == {"passed"}


def test_its_own_tests_pass(environment: Environment) -> None:
    done = environment.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=PLUGIN)
    assert done.returncode == 0, done.stdout


def test_it_trains_and_is_missed_when_it_is_gone(environment: Environment, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    what = ("--backbone", "color-grid", "-B", "d_model=16", "--sae", "jump-relu", "-S", "sparsity=2e-3")
    size = ("--latents", "32", "--steps", "20", "--batch-tokens", "128", "--device", "cpu", "--quiet")
    trained = environment.toolkit("train", str(images), "--out", str(out), *what, *size)
    assert trained.returncode == 0, trained.stderr
    assert (out / "sae.safetensors").is_file()
    events = (out / "example-events.log").read_text().split()
    assert events[0] == "Started" and "Ended" in events
    recorded = json.dumps(json.loads((out / "config.json").read_text()))
    assert "cytosae-example-plugin" in recorded and "jump-relu" in recorded
    assert environment.toolkit("evaluate", str(out), str(images)).returncode == 0

    removed = environment.pip("uninstall", "--yes", "cytosae-example-plugin")
    assert removed.returncode == 0, removed.stderr
    without = environment.toolkit("evaluate", str(out), str(images))
    assert without.returncode == 2
    assert "pip install 'cytosae-example-plugin==0.1.0'" in without.stderr
