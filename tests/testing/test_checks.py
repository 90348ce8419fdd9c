"""Running checks without pytest."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cytosae_toolkit.testing import Check, ConformanceError, NotApplicable, Outcome, run_checks
from cytosae_toolkit.testing.checks import Checks, require


def passing(subject: str) -> None:
    require(subject == "thing", "it is no thing")


def failing(subject: str) -> None:
    require(False, f"{subject} is wrong")


def raising(subject: str) -> None:
    raise KeyError(subject)


def skipping(subject: str) -> None:
    raise NotApplicable("there is no second one")


def test_every_check_has_an_outcome() -> None:
    checks = [Check(function.__name__, function) for function in (failing, raising, skipping, passing)]
    assert list(run_checks(checks, "thing")) == [
        Outcome("failing", "failed", "thing is wrong"),
        Outcome("raising", "failed", "raised KeyError: 'thing'"),
        Outcome("skipping", "skipped", "there is no second one"),
        Outcome("passing", "passed"),
    ]


def test_functions_join_a_list_by_decoration() -> None:
    checks: Checks[str] = Checks()
    checks.add("it passes")(passing)
    assert [(check.name, check.function) for check in checks.all] == [("it passes", passing)]


def test_require_raises_an_assertion_error() -> None:
    with pytest.raises(ConformanceError, match="no"):
        require([], "no")
    assert issubclass(ConformanceError, AssertionError)


def test_checking_a_part_does_not_import_pytest() -> None:
    script = (
        "import sys; from cytosae_toolkit.plugins import registry; from cytosae_toolkit.testing import check_part;"
        "part = registry().get('aggregator', 'count');"
        "assert all(outcome.state == 'passed' for outcome in check_part(part)); assert 'pytest' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
