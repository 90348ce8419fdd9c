"""Loading: what is wrong with a plugin is found, named, and harms no other."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from cytosae_toolkit._plugin_loading import Plugin, Source, installed_sources, is_disabled, load_plugin
from cytosae_toolkit.errors import PluginError
from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.interfaces.specs import API_VERSION, AggregatorSpec, SAESpec

MAJOR, MINOR = API_VERSION


def spec(name: str = "sample", api: Any = API_VERSION) -> AggregatorSpec:
    return AggregatorSpec(name=name, summary="A sample.", factory="nowhere:build", api=api)


def load(*functions: Callable[..., Any], strict: bool = False) -> Plugin:
    """Load a module that consists of these functions."""
    module = ModuleType("sample_plugin")
    for function in functions:
        setattr(module, function.__name__, function)
    return load_plugin(Source("sample-dist", "0.3", "sample", lambda: module), strict=strict)


def test_a_good_plugin_has_parts_and_no_message() -> None:
    @hookimpl
    def cytosae_aggregators() -> list[AggregatorSpec]:
        return [spec("a"), spec("b")]

    plugin = load(cytosae_aggregators)
    assert (plugin.state, plugin.message, plugin.stage) == ("ok", "", "")
    assert [part.qualified_name for part in plugin.parts] == ["sample-dist/a", "sample-dist/b"]


def test_hooks_may_be_generators() -> None:
    @hookimpl
    def cytosae_aggregators() -> Any:
        yield spec("a")

    assert [part.name for part in load(cytosae_aggregators).parts] == ["a"]


@pytest.mark.parametrize("error", [ImportError("No module named 'faiss'"), SystemExit(3), SyntaxError("bad")])
def test_an_import_that_fails_is_reported(error: BaseException) -> None:
    def fail() -> object:
        raise error

    plugin = load_plugin(Source("sample-dist", "0.3", "sample", fail))
    assert (plugin.state, plugin.stage) == ("broken", "import")
    assert type(error).__name__ in plugin.message and str(error) in plugin.message


def test_interruption_is_no_plugin_error() -> None:
    def interrupt() -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_plugin(Source("sample-dist", "0.3", "sample", interrupt))


def test_a_hook_that_raises_leaves_the_plugins_other_hooks() -> None:
    @hookimpl
    def cytosae_backbones() -> list[Any]:
        raise RuntimeError("no weights today")

    @hookimpl
    def cytosae_aggregators() -> list[AggregatorSpec]:
        return [spec()]

    plugin = load(cytosae_backbones, cytosae_aggregators)
    assert (plugin.state, plugin.stage) == ("broken", "answer")
    assert plugin.message == "Its hook cytosae_backbones fails (RuntimeError: no weights today)."
    assert [part.name for part in plugin.parts] == ["sample"]


def test_a_misspelt_hook_is_reported_with_the_right_name() -> None:
    @hookimpl
    def cytosae_agregators() -> list[AggregatorSpec]:
        return [spec()]

    plugin = load(cytosae_agregators)
    assert (plugin.state, plugin.stage) == ("broken", "register")
    assert "Did you mean cytosae_aggregators" in plugin.message


def test_a_hook_of_a_later_version_may_be_optional() -> None:
    @hookimpl(optionalhook=True)
    def cytosae_segmenters() -> list[Any]:
        return []

    @hookimpl
    def cytosae_aggregators() -> list[AggregatorSpec]:
        return [spec()]

    assert load(cytosae_segmenters, cytosae_aggregators).state == "ok"


def test_a_wrong_argument_is_reported_and_nothing_of_the_plugin_is_used() -> None:
    @hookimpl
    def cytosae_aggregators() -> list[AggregatorSpec]:
        return [spec()]

    @hookimpl
    def cytosae_training_event(evnt: Any) -> None: ...

    plugin = load(cytosae_aggregators, cytosae_training_event)
    assert (plugin.state, plugin.stage) == ("broken", "register")
    assert "evnt" in plugin.message and not plugin.parts and plugin.listener is None


def test_a_missing_marker_is_a_warning() -> None:
    def cytosae_saes() -> list[Any]:
        return []

    plugin = load(cytosae_saes)
    assert plugin.state == "warning" and "cytosae_toolkit.hookspecs.hookimpl" in plugin.message


def test_no_hook_at_all_is_a_warning() -> None:
    assert load().state == "warning"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (["count"], "returns str instead of AggregatorSpec"),
        (None, "returns nothing; a `return` may be missing"),
        ([SAESpec(name="x", summary="", factory="a:b", api=API_VERSION)], "returns SAESpec instead of"),
        (spec(), "one spec where a list of specs is expected"),
        (7, "TypeError"),
        ([spec(), spec()], "returns the name 'sample' twice"),
        ([spec(api=(1,))], "is not two whole numbers"),
    ],
)
def test_wrong_answers_are_reported(answer: Any, message: str) -> None:
    @hookimpl
    def cytosae_aggregators() -> Any:
        return answer

    plugin = load(cytosae_aggregators)
    assert (plugin.state, plugin.stage) == ("broken", "answer")
    assert message in plugin.message


def test_another_major_version_is_incompatible_part_by_part() -> None:
    @hookimpl
    def cytosae_aggregators() -> list[AggregatorSpec]:
        return [spec("old", (MAJOR - 1, 7)), spec("new", (MAJOR + 1, 0)), spec("fits")]

    plugin = load(cytosae_aggregators)
    assert plugin.state == "incompatible"
    assert [part.name for part in plugin.parts] == ["fits"]
    assert [part.name for part in plugin.refused] == ["old", "new"]
    assert f"this toolkit has {MAJOR}.{MINOR}" in plugin.message


def test_a_newer_minor_version_works_with_a_warning() -> None:
    @hookimpl
    def cytosae_aggregators() -> list[AggregatorSpec]:
        return [spec("newer", (MAJOR, MINOR + 1))]

    plugin = load(cytosae_aggregators)
    assert plugin.state == "warning" and plugin.message
    assert [part.name for part in plugin.parts] == ["newer"]


def test_strict_loading_raises_with_the_cause() -> None:
    @hookimpl
    def cytosae_aggregators() -> list[AggregatorSpec]:
        raise RuntimeError("boom")

    with pytest.raises(PluginError, match=r"sample-dist 0\.3 \(plugin sample\).*boom") as caught:
        load(cytosae_aggregators, strict=True)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_strict_loading_refuses_incompatible_parts() -> None:
    @hookimpl
    def cytosae_aggregators() -> list[AggregatorSpec]:
        return [spec(api=(MAJOR + 1, 0))]

    with pytest.raises(PluginError, match="plugin interface"):
        load(cytosae_aggregators, strict=True)


@pytest.mark.parametrize("name", ["sample", "sample-dist", "Sample_Dist", "sample-dist:sample", "sample.dist:sample"])
def test_plugins_are_disabled_by_any_of_their_names(name: str) -> None:
    assert is_disabled(Source("sample-dist", "0.3", "sample", object), ["other", name])


def test_other_plugins_of_a_distribution_stay_enabled() -> None:
    assert not is_disabled(Source("sample-dist", "0.3", "sample", object), ["sample-dist:other", "samp"])


def test_installed_plugins_include_the_default_ones_once() -> None:
    names = [(source.distribution, source.name) for source in installed_sources()]
    assert ("cytosae-toolkit", "cytosae-relu-l1") in names
    assert len(names) == len(set(names))
