"""The installed plugins and the functions that make things of them; foreign ones in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cytosae_toolkit.errors import CytosaeError, PluginError
from cytosae_toolkit.plugins import (
    create_aggregator,
    create_backbone,
    create_sae,
    registry,
    reset_registry,
    training_event,
)
from cytosae_toolkit.training.events import Started

GOOD = """
from cytosae_toolkit.hookspecs import hookimpl
from cytosae_toolkit.interfaces.specs import AggregatorSpec

@hookimpl
def cytosae_aggregators():
    factory = "cytosae_patch_aggregators.aggregators:build_mean"
    return [AggregatorSpec(name="share", summary="Share.", factory=factory, api=API)]
"""


def install(folder: Path, distribution: str, version: str, source: str, *, plugin: str = "share") -> None:
    """Lay down a module and its metadata as an installer would."""
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    metadata = folder / f"{module}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(f"[cytosae_toolkit]\n{plugin} = {module}\n")


def program(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with a folder of foreign plugins on the path."""
    return subprocess.run(
        [sys.executable, "-m", "cytosae_toolkit", *arguments],
        env=os.environ | {"PYTHONPATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def listing(folder: Path, **environment: str) -> dict[str, Any]:
    found = program(folder, "plugins", "list", "--json", **environment)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def state(found: dict[str, Any], distribution: str) -> dict[str, Any]:
    return next(plugin for plugin in found["plugins"] if plugin["distribution"] == distribution)


def test_two_distributions_with_one_name_are_both_offered(tmp_path: Path) -> None:
    install(tmp_path, "lab-a", "1.0", GOOD.replace("API", "(1, 0)"))
    install(tmp_path, "lab-b", "2.0", GOOD.replace("API", "(1, 0)"))
    found = listing(tmp_path)
    clashing = [part["qualified_name"] for part in found["parts"] if part["state"] == "clash"]
    assert clashing == ["lab-a/share", "lab-b/share"]
    script = "import cytosae_toolkit as ct; ct.create_aggregator('lab-a/share'); ct.create_aggregator('share')"
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Write lab-a/share or lab-b/share" in result.stderr


def test_a_distribution_found_twice_on_the_path_counts_once(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, version in ((first, "1.0"), (second, "1.1")):
        folder.mkdir()
        install(folder, "lab-a", version, GOOD.replace("API", "(1, 0)"))
    both = Path(os.pathsep.join((str(first), str(second))))
    found = [plugin for plugin in listing(both)["plugins"] if plugin["distribution"] == "lab-a"]
    assert [plugin["version"] for plugin in found] == ["1.0"]


@pytest.mark.parametrize(
    ("source", "expected_state", "stage", "message"),
    [
        ("import no_such_module", "broken", "import", "No module named 'no_such_module'"),
        (GOOD.replace("API", "1/0"), "broken", "answer", "ZeroDivisionError"),
        (GOOD.replace("cytosae_aggregators():", "cytosae_agregators():"), "broken", "register", "Did you mean"),
        (GOOD.replace("API", "(2, 0)"), "incompatible", None, "version 2.0 of the plugin interface"),
        (GOOD.replace("API", "(1, 9)"), "warning", None, "version 1.9 of the plugin interface"),
        ("x = 1", "warning", None, "implements no hook"),
    ],
)
def test_troubled_plugins_are_listed_and_all_else_works(
    tmp_path: Path, source: str, expected_state: str, stage: str | None, message: str
) -> None:
    install(tmp_path, "lab-a", "1.0", source)
    found = listing(tmp_path)
    plugin = state(found, "lab-a")
    assert (plugin["state"], plugin["stage"]) == (expected_state, stage)
    assert message in plugin["message"]
    assert "relu-l1" in [part["name"] for part in found["parts"]]


def test_choosing_what_a_broken_plugin_should_provide_says_why(tmp_path: Path) -> None:
    install(tmp_path, "lab-a", "1.0", "import no_such_module")
    result = program(tmp_path, "plugins", "show", "lab-a/share")
    assert result.returncode == 2 and result.stdout == ""
    assert "lab-a 1.0 (plugin share) is broken" in result.stderr and "no_such_module" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_incompatible_part_says_what_to_update(tmp_path: Path) -> None:
    install(tmp_path, "lab-a", "1.0", GOOD.replace("API", "(2, 0)"))
    result = program(tmp_path, "plugins", "show", "share")
    assert result.returncode == 2 and "Update this toolkit." in result.stderr


def test_plugins_are_disabled_and_strict_by_environment(tmp_path: Path) -> None:
    install(tmp_path, "lab-a", "1.0", "import no_such_module")
    disabled = listing(tmp_path, CYTOSAE_DISABLE_PLUGINS="lab-a:share, cytosae-topk")
    assert state(disabled, "lab-a")["state"] == "disabled"
    assert "topk" not in [part["name"] for part in disabled["parts"]]
    strict = program(tmp_path, "plugins", "list", CYTOSAE_STRICT_PLUGINS="1")
    assert strict.returncode == 2 and "no_such_module" in strict.stderr


def test_a_broken_plugin_is_reported_once_in_python(tmp_path: Path) -> None:
    install(tmp_path, "lab-a", "1.0", "import no_such_module")
    script = "import cytosae_toolkit as ct; [ct.create_aggregator('count') for _ in range(3)]"
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "CYTOSAE_DISABLE_PLUGINS": "nonsense"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr.count("no_such_module") == 1
    assert "names 'nonsense', which is no plugin" in result.stderr


def test_the_default_plugins_are_registered() -> None:
    assert {part.name for part in registry().parts()} >= {"timm", "relu-l1", "topk", "count", "max", "mean"}
    assert registry() is registry()
    before = registry()
    reset_registry()
    assert registry() is not before


def test_create_sae_takes_the_variants_options() -> None:
    sae = create_sae("topk", d_model=8, d_sae=16, k=3)
    assert (sae.d_model, sae.d_sae) == (8, 16)
    with pytest.raises(CytosaeError, match=r"has no option 'kk'.*Its options: k "):
        create_sae("topk", d_model=8, d_sae=16, kk=3)
    with pytest.raises(PluginError, match=r"There is no SAE variant 'top-k'. Did you mean topk"):
        create_sae("top-k", d_model=8, d_sae=16)


def test_create_aggregator_defaults_to_the_count() -> None:
    aggregator: Any = create_aggregator(threshold=0.5)
    assert aggregator.plugin["name"] == "count" and aggregator.plugin["options"] == {"threshold": 0.5}


def test_create_backbone_validates_before_anything_slow() -> None:
    with pytest.raises(CytosaeError, match="has no option 'modle'"):
        create_backbone("timm", modle="vit_tiny_patch16_224")
    with pytest.raises(PluginError, match="Did you mean dinobloom-b"):
        create_backbone("dinobloom-bb")


def test_events_reach_the_installed_loggers_without_harm(tmp_path: Path) -> None:
    training_event(Started(tmp_path, 0, {}))
