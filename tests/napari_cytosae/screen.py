"""Tests that need a real window are run by a second pytest under Xvfb; this one draws nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, skip_or_fail

HERE = "CYTOSAE_TEST_SCREEN"
"""Set where there is a screen: in the second pytest."""
_RESULTS = pytest.StashKey[dict[str, tuple[str, str]]]()
_SECONDS = 420


class ScreenItem(pytest.Item):
    """A test marked `gui`, whose outcome the second pytest finds; all of them run there together."""

    def runtest(self) -> None:
        """Run every such test once, and report this one."""
        if shutil.which("xvfb-run") is None:
            skip_or_fail("xvfb-run is not installed")
        together = [item.nodeid for item in self.session.items if isinstance(item, ScreenItem)]
        if _RESULTS not in self.session.stash:
            self.session.stash[_RESULTS] = _run(together)
        outcome, text = self.session.stash[_RESULTS].get(_key(self.nodeid), ("failure", "It was not run."))
        if outcome == "skipped":
            pytest.skip(text)
        if outcome != "passed":
            pytest.fail(text, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Say where the test stands."""
        return self.path, 0, self.name


def on_screen(items: list[pytest.Item]) -> None:
    """Put a `ScreenItem` in the place of each test of `items` that is marked `gui`, in place."""
    for place, item in enumerate(items):
        if item.get_closest_marker("gui") and isinstance(item, pytest.Function):
            replacement: Any = ScreenItem.from_parent(item.parent, name=item.name)
            replacement.own_markers = item.own_markers
            items[place] = replacement


def _key(nodeid: str) -> str:
    path, *names = nodeid.split("::")
    return ".".join([Path(path).with_suffix("").as_posix().replace("/", "."), *names])


def _run(nodeids: list[str]) -> dict[str, tuple[str, str]]:
    environment = {name: value for name, value in os.environ.items() if name != "QT_QPA_PLATFORM"} | {HERE: "1"}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24", sys.executable, "-m", "pytest", "-q", "-p"]
        command += ["no:cacheprovider", f"--junitxml={report}", *nodeids]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
            said = done.stdout + done.stderr
        except subprocess.TimeoutExpired as error:
            said = f"The tests on a screen took more than {_SECONDS} s. {error.stdout!r}"
        if not report.exists():
            return {_key(nodeid): ("failure", said) for nodeid in nodeids}
        return _outcomes(report)


def _outcomes(report: Path) -> dict[str, tuple[str, str]]:
    found = {}
    for case in ET.parse(report).iter("testcase"):
        troubles = [child for child in case if child.tag in ("failure", "error", "skipped")]
        text = "\n".join(f"{child.get('message', '')}\n{child.text or ''}" for child in troubles)
        outcome = troubles[0].tag if troubles else "passed"
        found[f"{case.get('classname')}.{case.get('name')}"] = (outcome, text)
    return found
