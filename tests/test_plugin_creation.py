"""Creation: what a factory returns is checked and stamped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cytosae_toolkit._plugin_creation import build_aggregator, build_backbone, build_sae
from cytosae_toolkit._plugin_parts import Part
from cytosae_toolkit.errors import CytosaeError, PluginError
from cytosae_toolkit.interfaces.aggregator import Aggregator
from cytosae_toolkit.interfaces.specs import API_VERSION, AggregatorSpec, BackboneSpec, Options, SAESpec

SPECS = {"aggregator": AggregatorSpec, "backbone": BackboneSpec, "sae": SAESpec}


class Zeros(Aggregator):
    def init(self, d_sae: int) -> int:
        return d_sae

    def update(self, state: int, activations: Any, image: Any) -> int:
        return state

    def merge(self, a: int, b: int) -> int:
        return a

    def result(self, state: int) -> Any:
        return np.zeros(state, np.float32)


def part(kind: str, factory: Any, monkeypatch: pytest.MonkeyPatch) -> Part:
    monkeypatch.setattr(Part, "factory", lambda self: factory)
    spec = SPECS[kind](name="sample", summary="", factory="a:b", api=API_VERSION)
    return Part(spec, "lab", "1.0", "plugin")


def test_what_is_made_remembers_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = part("aggregator", lambda options: Zeros(), monkeypatch)
    made: Any = build_aggregator(sample, Options())
    assert made.plugin == sample.record(Options())


def test_missing_names_of_the_contract_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = part("aggregator", lambda options: object(), monkeypatch)
    with pytest.raises(PluginError, match="returns a object without combine, init, merge, result, update"):
        build_aggregator(sample, Options())


def test_a_mistake_in_a_factory_names_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = part("aggregator", lambda: None, monkeypatch)
    with pytest.raises(PluginError, match=r"aggregator 'sample' of lab 1\.0 fails with TypeError"):
        build_aggregator(sample, Options())


@pytest.mark.parametrize("error", [CytosaeError("No weights."), MemoryError(), FileNotFoundError("x")])
def test_what_the_user_can_solve_passes(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(options: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as caught:
        build_aggregator(part("aggregator", fail, monkeypatch), Options())
    assert caught.value is error


def test_a_backbones_factory_gets_a_resolved_device(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def factory(options: Any, **given: Any) -> object:
        seen.update(given)
        return object()

    sample = part("backbone", factory, monkeypatch)
    with pytest.raises(PluginError, match="without continue_from, d_model, fingerprint, grid"):
        build_backbone(sample, Options(), device="cpu", offline=True)
    assert seen == {"device": "cpu", "offline": True}
    with pytest.raises(CytosaeError, match="no device 'gpu'"):
        build_backbone(sample, Options(), device="gpu")


def test_an_sae_of_the_wrong_size_or_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from cytosae_toolkit.plugins import create_sae

    small = create_sae("topk", 4, 8, k=2)
    sample = part("sae", lambda d_model, d_sae, options: small, monkeypatch)
    assert build_sae(sample, 4, 8, Options()) is small
    with pytest.raises(PluginError, match="was asked for 4 x 16 and made 4 x 8"):
        build_sae(sample, 4, 16, Options())
    with pytest.raises(CytosaeError, match="positive sizes"):
        build_sae(sample, 0, 16, Options())
