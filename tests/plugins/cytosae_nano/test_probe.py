import json

import numpy as np
import pandas as pd
import pytest
from cytosae_nano import probe

from cytosae_toolkit.demo import MASKS
from cytosae_toolkit.errors import CytosaeError


@pytest.fixture(scope="module")
def generated():
    return probe.generated_patches(7, seed=0)


def test_patches_are_filled_as_the_masks_say(generated):
    pictures, filled = generated
    assert pictures.shape == (7, 128, 128, 3) and filled.shape == (7, 256, len(MASKS))
    assert filled.min() == 0 and filled.max() == 1
    nucleus = filled[0, :, 0].reshape(16, 16)
    assert nucleus[5:11, 5:11].mean() > nucleus[0].mean()


def test_features_have_a_row_per_patch(generated):
    pictures, _ = generated
    network = probe.load_network(None)
    assert probe.patch_tokens(network, pictures).shape == (7, 256, 192)
    assert probe.colour_patches(pictures).shape == (7, 256, 9)
    assert probe.colour_images(pictures).shape == (7, 9)


def test_colour_patches_are_row_major():
    pictures = np.zeros((1, 128, 128, 3), dtype=np.uint8)
    pictures[0, 8:16, 16:24, 0] = 255
    assert np.flatnonzero(probe.colour_patches(pictures)[0, :, 0]).tolist() == [18]


def test_untrained_network_is_reproducible(generated):
    pictures, _ = generated
    a, b = (probe.patch_tokens(probe.load_network(None), pictures[:2]) for _ in range(2))
    assert np.array_equal(a, b)


def test_colour_finds_nuclei():
    scores = probe.probe_masks(probe.colour_patches, n=14)
    assert set(scores) == set(MASKS) and scores["nucleus"] > 0.6


def test_class_probe_keeps_groups_together():
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b"], 40)
    groups = np.arange(80) // 2
    informative = (labels == "b")[:, None] + rng.normal(0, 0.1, (80, 3))
    assert min(probe.probe_classes(informative, labels, groups)) > 0.95
    f1, _ = probe.probe_classes(np.eye(40)[groups], labels, groups)
    assert f1 < 0.8


def test_token_statistics_see_a_dominant_dimension_and_position():
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(5, 256, 8)).astype(np.float32)
    tokens[..., 0] *= 100
    assert probe.token_statistics(tokens)["largest_dimension_share"] > 0.99
    placed = np.broadcast_to(rng.normal(size=(1, 256, 8)), (5, 256, 8)).astype(np.float32)
    assert probe.token_statistics(placed)["position_share"] == pytest.approx(1.0, abs=1e-3)


def test_tables_need_their_columns_and_rows(tmp_path):
    pd.DataFrame({"file": ["a.png"], "label": ["x"], "group": [1], "part": ["p"]}).to_csv(tmp_path / "t.csv")
    assert probe.read_table(tmp_path / "t.csv", "p")["path"].tolist() == ["a.png"]
    with pytest.raises(CytosaeError, match="no rows"):
        probe.read_table(tmp_path / "t.csv", "q")
    pd.DataFrame({"label": ["x"]}).to_csv(tmp_path / "u.csv")
    with pytest.raises(CytosaeError, match="group, path"):
        probe.read_table(tmp_path / "u.csv", None)


def test_report_is_json_of_all_probes(monkeypatch):
    monkeypatch.setattr(probe, "probe_masks", lambda features: {"nucleus": 1.0})
    monkeypatch.setattr(probe, "load_network", lambda weights, build=probe.load_network: build(None))
    result = json.loads(json.dumps(probe.report("weights", None, [])))
    assert set(result["masks"]) == {"trained", "untrained", "colour"}
    assert set(result["tokens"]) == {"trained", "untrained"}
