"""What a check is, and how checks are run without pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S")


class ConformanceError(AssertionError):
    """A part does not keep its contract."""


class NotApplicable(Exception):
    """A check does not apply to this part."""


@dataclass(frozen=True)
class Check(Generic[S]):
    """One promise of a contract.

    Parameters
    ----------
    name : str
        The promise as a short sentence without a full stop.
    function : callable
        Receives the subject (how to make the part); raises `ConformanceError` if the promise is broken and
        `NotApplicable` if it does not apply.
    """

    name: str
    function: Callable[[S], None]

    def __call__(self, subject: S) -> None:
        """Run the check."""
        self.function(subject)


@dataclass(frozen=True)
class Outcome:
    """What came of a check.

    Parameters
    ----------
    name : str
        The promise.
    state : str
        ``"passed"``, ``"failed"`` or ``"skipped"``.
    message : str
        Why it failed or was skipped.
    """

    name: str
    state: str
    message: str = ""


class Checks(Generic[S]):
    """A list of checks that functions join by decoration."""

    def __init__(self) -> None:
        self.all: list[Check[S]] = []

    def add(self, name: str) -> Callable[[Callable[[S], None]], Callable[[S], None]]:
        """Return a decorator that adds a function as a check."""

        def decorate(function: Callable[[S], None]) -> Callable[[S], None]:
            self.all.append(Check(name, function))
            return function

        return decorate


def require(condition: object, message: str) -> None:
    """Raise `ConformanceError` unless a condition holds; unlike `assert` also under ``python -O``."""
    if not condition:
        raise ConformanceError(message)


def run_checks(checks: Sequence[Check[S]], subject: S) -> Iterator[Outcome]:
    """Run checks one after the other; a failure does not stop the rest.

    Parameters
    ----------
    checks : sequence of Check
        Such as `SAE_CHECKS`.
    subject
        What the checks receive.

    Yields
    ------
    Outcome
    """
    for check in checks:
        yield _outcome(check, subject)


def _outcome(check: Check[S], subject: S) -> Outcome:
    try:
        check(subject)
    except NotApplicable as reason:
        return Outcome(check.name, "skipped", str(reason))
    except ConformanceError as error:
        return Outcome(check.name, "failed", str(error))
    except Exception as error:
        return Outcome(check.name, "failed", f"raised {type(error).__name__}: {error}")
    return Outcome(check.name, "passed")
