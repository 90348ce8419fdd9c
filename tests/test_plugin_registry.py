"""The registry: names, clashes, records, events."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cytosae_toolkit._plugin_registry import PluginNote, PluginWarning, Registry
from cytosae_toolkit.errors import CytosaeError, PluginError
from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.interfaces.specs import API_VERSION, AggregatorSpec, BackboneSpec, Options, SAESpec
from cytosae_toolkit.training.events import Ended, Started, Stepped, TrainingEvent


class ShareOptions(Options):
    threshold: float = 0.2


class OtherOptions(Options):
    limit: float = 0.2


def plugin(**hooks: Any) -> ModuleType:
    """Return a plugin whose hooks return these specs, or that does what these functions do."""
    module = ModuleType("sample")
    for name, answer in hooks.items():
        setattr(module, name, hookimpl(_answering(answer)) if not callable(answer) else hookimpl(answer))
    return module


def _answering(answer: Any) -> Any:
    def hook() -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return hook


def aggregator(name: str, api: tuple[int, int] = API_VERSION, options: type[Options] = ShareOptions) -> AggregatorSpec:
    return AggregatorSpec(name=name, summary=name, factory="json:loads", options=options, api=api)


BACKBONE = BackboneSpec(name="tiny", summary="Tiny.", factory="json:loads", api=API_VERSION)
SAE = SAESpec(name="gated", summary="Gated.", factory="json:loads", api=API_VERSION)


def registry(*plugins: tuple[str, ModuleType], version: str = "1.0") -> Registry:
    return Registry.from_plugins((dist, version, f"plugin-of-{dist}", module) for dist, module in plugins)


@pytest.fixture
def two() -> Registry:
    """Two distributions that both offer `share`."""
    return registry(
        ("lab-a", plugin(cytosae_aggregators=[aggregator("share"), aggregator("alone")], cytosae_saes=[SAE])),
        ("lab-b", plugin(cytosae_aggregators=[aggregator("share")], cytosae_backbones=[BACKBONE])),
    )


def test_parts_are_sorted_by_kind_and_name(two: Registry) -> None:
    assert [part.qualified_name for part in two.parts()] == [
        "lab-b/tiny",
        "lab-a/gated",
        "lab-a/alone",
        "lab-a/share",
        "lab-b/share",
    ]
    assert [part.name for part in two.parts("sae")] == ["gated"]


def test_a_bare_name_that_clashes_is_refused_and_both_are_offered(two: Registry) -> None:
    with pytest.raises(PluginError, match="Write lab-a/share or lab-b/share"):
        two.get("aggregator", "share")


@pytest.mark.parametrize("name", ["lab-b/share", "Lab_B/share"])
def test_a_qualified_name_is_unambiguous(two: Registry, name: str) -> None:
    assert two.get("aggregator", name).distribution == "lab-b"


def test_an_unknown_name_offers_the_nearest(two: Registry) -> None:
    with pytest.raises(PluginError, match=r"There is no aggregator 'alon'\. Did you mean alone"):
        two.get("aggregator", "alon")


def test_a_name_of_another_kind_says_so(two: Registry) -> None:
    with pytest.raises(PluginError, match=r"There is no backbone 'gated': that is the SAE variant of lab-a"):
        two.get("backbone", "gated")


def test_an_unknown_name_says_which_plugins_are_broken() -> None:
    found = registry(
        ("good", plugin(cytosae_aggregators=[aggregator("share")])),
        ("bad", plugin(cytosae_aggregators=ValueError("no luck"))),
    )
    assert found.get("aggregator", "share").distribution == "good"
    with pytest.raises(PluginError, match=r"bad 1\.0 \(plugin plugin-of-bad\) is broken.*ValueError: no luck"):
        found.get("aggregator", "lost")


@pytest.mark.parametrize(("api", "what"), [((2, 0), "Update this toolkit"), ((0, 9), "Update lab")])
def test_an_incompatible_part_is_named_with_both_versions(api: tuple[int, int], what: str) -> None:
    found = registry(("lab", plugin(cytosae_aggregators=[aggregator("share", api)])))
    with pytest.raises(PluginError, match=rf"version {api[0]}\.{api[1]} of the plugin interface.*{what}"):
        found.get("aggregator", "share")


def test_find_ignores_the_kind_and_knows_plugins(two: Registry) -> None:
    assert [part.kind for part in two.find("gated")] == ["sae"]
    assert len(two.find("share")) == 2
    assert {part.name for part in two.find("plugin-of-lab-b")} == {"share", "tiny"}
    with pytest.raises(PluginError, match=r"There is no plugin part 'gatd'. Did you mean gated"):
        two.find("gatd")


def test_find_explains_a_plugin_without_parts() -> None:
    with pytest.raises(PluginError, match=r"lab 1\.0 .* provides no part\. It implements no hook"):
        registry(("lab", plugin())).find("plugin-of-lab")


def test_a_record_is_json_and_reopens_the_same_part(two: Registry) -> None:
    part = two.get("aggregator", "lab-b/share")
    record = part.record(part.parse_options({"threshold": "0.5"}))
    assert record == {
        "kind": "aggregator",
        "name": "share",
        "distribution": "lab-b",
        "version": "1.0",
        "api": list(API_VERSION),
        "options": {"threshold": 0.5},
    }
    again, options = two.from_record(record)
    assert again is part and options == ShareOptions(threshold=0.5)


def _record(two: Registry, **changes: Any) -> dict[str, Any]:
    part = two.get("aggregator", "lab-a/alone")
    return part.record(part.parse_options({})) | changes


def test_another_version_is_accepted_with_a_note(two: Registry) -> None:
    with pytest.warns(PluginNote, match=r"lab-a 0\.9 is reopened with 1\.0"):
        two.from_record(_record(two, version="0.9"))


def test_a_missing_distribution_names_what_to_install(two: Registry) -> None:
    with pytest.raises(PluginError, match=r"which is not installed\. Run: pip install 'lab-c==2\.1'"):
        two.from_record(_record(two, distribution="lab-c", version="2.1"))


def test_a_part_that_a_version_lacks_names_the_version_to_install(two: Registry) -> None:
    with pytest.raises(PluginError, match=r"the installed 1\.0 does not provide.*pip install 'lab-a==0\.9'"):
        two.from_record(_record(two, name="gone", version="0.9"))


def test_a_broken_distribution_is_named_with_its_error(two: Registry) -> None:
    found = registry(("lab-a", plugin(cytosae_aggregators=ValueError("no luck"))))
    with pytest.raises(PluginError, match=r"is broken\. .*no luck"):
        found.from_record(_record(two))


def test_options_that_a_version_refuses_name_the_version_to_install(two: Registry) -> None:
    found = registry(("lab-a", plugin(cytosae_aggregators=[aggregator("alone", options=OtherOptions)])))
    with pytest.raises(PluginError, match=r"no option 'threshold'.*pip install 'lab-a==0\.9'"):
        found.from_record(_record(two, version="0.9"))


def test_a_malformed_record_is_an_error(two: Registry) -> None:
    with pytest.raises(CytosaeError, match="has no 'distribution'"):
        two.from_record({"kind": "aggregator", "name": "alone"})


def test_factories_that_cannot_be_imported_name_the_distribution() -> None:
    for factory in ("no_such_module:build", "json:no_such_function", "json.tool:__doc__"):
        spec = AggregatorSpec(name="x", summary="", factory=factory, api=API_VERSION)
        part = registry(("lab", plugin(cytosae_aggregators=[spec]))).parts()[0]
        with pytest.raises(PluginError, match=r"aggregator 'x' of lab 1\.0 cannot be"):
            part.factory()


def test_problems_are_reported_as_warnings() -> None:
    found = registry(("bad", plugin(cytosae_aggregators=ValueError("no luck"))), ("fine", plugin(cytosae_saes=[SAE])))
    with pytest.warns(PluginWarning, match=r"bad 1\.0 .*is broken") as caught:
        found.report_problems()
    assert len(caught) == 1


def test_listeners_are_told_apart_and_a_failing_one_is_reported_once(tmp_path: Path) -> None:
    told: list[TrainingEvent] = []
    failures = []

    def fail(event: TrainingEvent) -> None:
        failures.append(event)
        raise OSError("no server")

    def listen(event: TrainingEvent) -> None:
        told.append(event)

    found = registry(("bad", plugin(cytosae_training_event=fail)), ("good", plugin(cytosae_training_event=listen)))
    events = [Started(tmp_path, 0, {}), Stepped(tmp_path, 1, {"loss": 1.0}), Ended(tmp_path, 1, True, {})]
    with pytest.warns(PluginWarning, match="no server") as caught:
        for event in events:
            found.training_event(event)
    assert told == events and len(failures) == 1 and len(caught) == 1
    with pytest.warns(PluginWarning, match="no server"):  # a new run is a new chance
        found.training_event(Started(tmp_path, 0, {}))


def test_strict_mode_raises_what_a_listener_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(event: TrainingEvent) -> None:
        raise OSError("no server")

    monkeypatch.setenv("CYTOSAE_STRICT_PLUGINS", "1")
    with pytest.raises(OSError, match="no server"):
        registry(("bad", plugin(cytosae_training_event=fail))).training_event(Started(tmp_path, 0, {}))


def test_a_good_registry_warns_of_nothing(two: Registry) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        two.report_problems()
