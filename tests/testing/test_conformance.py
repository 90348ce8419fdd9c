"""The suites as a plugin author inherits them, on the default plugins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cytosae_toolkit.interfaces.aggregator import Aggregator
from cytosae_toolkit.interfaces.backbone import Backbone
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.plugins import create_aggregator, create_backbone, create_sae
from cytosae_toolkit.testing import AggregatorConformance, BackboneConformance, SAEConformance

FORGETFUL = """
from cytosae_toolkit.testing import AggregatorConformance
from cytosae_patch_aggregators.aggregators import Max

class TestGood(AggregatorConformance):
    def create(self):
        return Max()

class TestForgetful(AggregatorConformance):
    pass
"""


class TestTimm(BackboneConformance):
    def create(self) -> Backbone:
        return create_backbone("timm", model="test_vit", untrained=True, device="cpu")


class TestReluL1(SAEConformance):
    def create(self, d_model: int, d_sae: int) -> SparseAutoencoder:
        return create_sae("relu-l1", d_model, d_sae)


class TestTopK(SAEConformance):
    d_sae = 128

    def create(self, d_model: int, d_sae: int) -> SparseAutoencoder:
        return create_sae("topk", d_model, d_sae, k=8)


class TestCount(AggregatorConformance):
    def create(self) -> Aggregator:
        return create_aggregator("count", threshold=0.1)


def test_a_suite_without_create_says_so(tmp_path: Path) -> None:
    (tmp_path / "test_plugin.py").write_text(FORGETFUL)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "10 failed, 10 passed" in done.stdout
    assert "override create()" in done.stdout
