"""Meta-tests: every hook is documented with its arguments, and every hook is exercised."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from cytosae_toolkit import hookspecs
from cytosae_toolkit._plugin_loading import EVENT_HOOK, HOOKS, PART_HOOKS

SPECIFIED = {
    name: function
    for name, function in vars(hookspecs).items()
    if inspect.isfunction(function) and name.startswith("cytosae_")
}
TESTS = Path(__file__).parent


def test_the_loader_asks_every_hook() -> None:
    assert set(HOOKS) == set(SPECIFIED) == {*PART_HOOKS, EVENT_HOOK}


@pytest.mark.parametrize("name", SPECIFIED)
def test_every_hook_is_documented_with_its_arguments(name: str) -> None:
    function = SPECIFIED[name]
    text = inspect.getdoc(function) or ""
    arguments = list(inspect.signature(function).parameters)
    documented = [line.partition(" : ")[0] for line in text.splitlines() if " : " in line and line[0] != " "]
    assert documented == arguments
    assert "Examples" in text and "@hookimpl" in text
    assert f"def {name}({', '.join(arguments)})" in text


@pytest.mark.parametrize("name", PART_HOOKS)
def test_every_factory_signature_is_documented(name: str) -> None:
    assert "The factory of each is called as ``factory(" in (inspect.getdoc(SPECIFIED[name]) or "")


@pytest.mark.parametrize("name", SPECIFIED)
def test_every_hook_is_exercised_by_a_test(name: str) -> None:
    tests = [path for path in TESTS.glob("test_plugin*.py") if f"{name}" in path.read_text(encoding="utf-8")]
    assert tests


@pytest.mark.parametrize("name", SPECIFIED)
def test_the_third_party_example_or_a_default_plugin_implements_every_hook(name: str) -> None:
    sources = [*TESTS.glob("third_party/**/*.py"), *TESTS.parent.glob("plugins/*/__init__.py")]
    assert any(f"def {name}(" in path.read_text(encoding="utf-8") for path in sources)
