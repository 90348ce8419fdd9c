"""``plugins``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cytosae_toolkit.cli import plugins as command
from cytosae_toolkit.cli.main import app
from cytosae_toolkit.interfaces.specs import API_VERSION, AggregatorSpec
from cytosae_toolkit.plugins import Registry


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plugins", *arguments])


def document(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    return json.loads(result.stdout)


def test_plugins_alone_lists() -> None:
    assert run().stdout == run("list").stdout
    assert document() == document("list")


def test_the_list_says_what_from_where_in_which_state() -> None:
    parts = {part["name"]: part for part in document("list")["parts"]}
    assert parts["dinobloom-b"]["weights_license"]
    assert parts["count"] | {"summary": ""} == {
        "name": "count",
        "qualified_name": "cytosae-toolkit/count",
        "kind": "aggregator",
        "summary": "",
        "distribution": "cytosae-toolkit",
        "version": parts["count"]["version"],
        "plugin": "cytosae-patch-aggregators",
        "state": "ok",
        "weights_license": None,
    }
    line = next(line for line in run("list").stdout.splitlines() if line.strip().startswith("relu-l1"))
    assert "sae" in line and "cytosae-toolkit" in line and " ok" in line


def test_show_prints_options_with_types_defaults_and_meaning() -> None:
    (shown,) = document("show", "count")
    (option,) = shown["options"]
    assert (option["name"], option["type"], option["default"]) == ("threshold", "float", 0.2)
    assert option["description"] and shown["api"] == [1, 0]
    assert "threshold" in run("show", "cytosae-toolkit/count").stdout
    assert "It takes no options." in run("show", "max").stdout


def test_show_describes_all_parts_of_a_plugin() -> None:
    assert [part["name"] for part in document("show", "cytosae-patch-aggregators")] == ["count", "max", "mean"]


@pytest.mark.parametrize("action", ["show", "check"])
def test_an_unknown_name_is_an_error_with_an_offer(action: str) -> None:
    result = run(action, "cuont")
    assert result.exit_code == 2 and result.stdout == ""
    assert "There is no plugin part 'cuont'. Did you mean count" in result.stderr


def test_check_passes_a_good_part() -> None:
    result = run("check", "count", "-o", "threshold=0.5")
    assert result.exit_code == 0, result.output
    assert "10 passed." in result.stdout
    (checked,) = document("check", "count")
    assert {outcome["state"] for outcome in checked["checks"]} == {"passed"}


def test_check_validates_options() -> None:
    result = run("check", "count", "-o", "treshold=0.5")
    assert result.exit_code == 2 and "Did you mean threshold?" in result.stderr


class Nan:
    """An aggregator with mistakes."""

    def init(self, d_sae: int) -> int:
        return d_sae

    def update(self, state: int, activations: Any, image: Any) -> int:
        return state

    def merge(self, a: int, b: int) -> int:
        raise ValueError("cannot merge")

    def result(self, state: int) -> list[float]:
        return [float("nan")] * state

    def combine(self, values: Any) -> Any:
        return values


def test_check_fails_a_bad_part_with_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = AggregatorSpec(name="bad", summary="Bad.", factory="nowhere:build", api=API_VERSION)

    class Plugin:
        @staticmethod
        def cytosae_aggregators() -> list[AggregatorSpec]:
            return [spec]

    from cytosae_toolkit._plugin_parts import Part
    from cytosae_toolkit.hookspecs import hookimpl

    hookimpl(Plugin.cytosae_aggregators)
    registry = Registry.from_plugins([("lab", "1.0", "bad-plugin", Plugin())])
    monkeypatch.setattr(command, "_registry", lambda: registry)
    monkeypatch.setattr(Part, "factory", lambda self: lambda options: Nan())
    result = run("check", "bad")
    assert result.exit_code == 2
    assert "failed  the result is float32" in result.stdout and "returns a list" in result.stdout
    assert "raised ValueError: cannot merge" in result.stdout
