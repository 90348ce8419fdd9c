from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import pytest

from cytosae_toolkit.figures.card import card_numbers, metrics_card
from cytosae_toolkit.figures.style import save_figure

METRICS = {"fvu": 0.1, "l0": 10.0, "density_histogram": {"never": 2, "1e-1": 5}}


def unit(kind: str, share: float) -> dict[str, object]:
    return {"structure": "nucleus", "kind": kind, "unit": 3, "share_inside": share, "area_share": 0.1}


def distribution(*counts: int) -> dict[str, object]:
    edges = np.linspace(0, 1, len(counts) + 1).tolist()
    percentiles = {"5": 0.991, "25": 0.992, "50": 0.9934, "75": 0.995, "95": 0.999}
    return {"mean": 0.5, "percentiles": percentiles, "histogram": {"edges": edges, "counts": list(counts)}}


@pytest.fixture
def card() -> dict:
    shuffled = {"under_shuffled_labels": distribution(1, 1)}
    return {
        **METRICS, "fvu_robust": 0.2, "pca_components": 4, "pca_fvu_robust": 0.3, "dead_share_set": 0.0,
        "shrinkage": 1.0, "patches": METRICS, "untrained_sae": METRICS, "n_images": 9,
        "card": {"sae": "relu-l1", "d_model": 4, "d_sae": 8, "backbone": "nano", "layer": 4, "n_groups": 9},
        "monosemanticity": {"encoders": [{
            "encoder": "nano", "circular": True, "without_preference": 0.5,
            "units": {"trained SAE": distribution(0, 1, 5), "untrained SAE": distribution(1, 4, 1)},
        }]},
        "label_entropy": {"units": {"trained SAE": distribution(3, 1) | shuffled}},
        "probes": {"scores": {
            "trained SAE": {k: {"weighted_f1": 0.8, "weighted_f1_sd": 0.1} for k in ("k=1", "dense")},
            "most frequent class": {"dense": {"weighted_f1": 0.3, "weighted_f1_sd": 0.0}},
        }},
        "localisation": {"structures": ["nucleus"], "units": [unit("trained SAE", 0.9), unit("PCA", 0.4)]},
        "fidelity": {
            "pca_components": 4, "cosine": {"trained SAE": {"mean": 0.9, "sd": 0.1}, "PCA": {"mean": 0.8, "sd": 0.1}},
            "probe_accuracy": {
                "trained SAE": {"original": 0.95, "replaced": 0.85}, "PCA": {"original": 0.95, "replaced": 0.7},
            },
        },
        "stability": {"mean_max_cosine": 0.6, "matched_share": 0.4, "matching": "hungarian",
                      "untrained": {"mean_max_cosine": 0.2}},
    }  # fmt: skip


def texts(figure) -> str:
    return "\n".join(
        [text.get_text() for axes in figure.axes for text in (*axes.texts, *axes.get_yticklabels())]
        + [axes.get_title(loc="left") for axes in figure.axes]
    )


def test_every_entry_has_a_panel(card, tmp_path):
    figure = metrics_card(card)
    assert len(figure.axes) == 7
    shown = texts(figure)
    for text in (
        "circular",
        "0.90",
        "PCA, 4 components",
        "0.85  (cosine 0.900)",
        "original tokens",
        "mean max cosine 0.60",
        "pairs > 0.7: 40.0%",
    ):
        assert text in shown
    assert all(path.stat().st_size for path in save_figure(figure, tmp_path / "card.svg", card_numbers(card)))


def panel(figure, title: str):
    return next(axes for axes in figure.axes if axes.get_title(loc="left").startswith(title))


def test_fidelity_bars_are_the_accuracies_beside_that_of_the_original_tokens(card):
    bars = panel(metrics_card(card), "Fidelity").patches
    assert [bar.get_width() for bar in bars] == [0.7, 0.85, 0.95]  # from below
    del card["fidelity"]["probe_accuracy"]
    assert [bar.get_width() for bar in panel(metrics_card(card), "Fidelity").patches] == [0.8, 0.9]


def test_monosemanticity_fills_its_panel_whatever_its_range(card):
    card["monosemanticity"]["encoders"][0]["without_preference"] = 0.9945
    axes = panel(metrics_card(card), "Monosemanticity")
    low, high = axes.get_xlim()
    assert 0.98 < low < 0.991 < 0.999 < high < 1.01
    assert "0.9934" in [text.get_text() for text in axes.texts]


def test_masks_that_are_not_shown_are_counted(card):
    places = card["localisation"]
    assert "shown" not in panel(metrics_card(card), "Localisation").get_title(loc="left")
    places["structures"] = [f"value {1 << bit}" for bit in range(7)]
    places["hint"] = "name them with --mask-bits NAME,…"
    axes = panel(metrics_card(card), "Localisation")
    assert "4 of 7 masks shown" in axes.get_title(loc="left")
    assert "--mask-bits" in axes.get_xlabel()


def test_numbers_of_localisation_do_not_overlap(card):
    kinds = ["trained SAE", "untrained SAE", "raw dimensions", "PCA", "untrained backbone", "brightness"]
    structures = ["a", "b", "c", "d"]
    card["localisation"] = {
        "structures": structures,
        "units": [unit(kind, 0.01) | {"structure": name} for name in structures for kind in kinds],
    }
    figure = metrics_card(card)
    figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in panel(figure, "Localisation").texts), key=lambda box: box.x0)
    assert len(boxes) == 24
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))


def test_absent_entries_say_why(card):
    absent = copy.deepcopy(card)
    for name in ("label_entropy", "probes", "localisation", "fidelity", "stability"):
        absent[name] = {"absent": f"no {name} here"}
    shown = texts(metrics_card(absent))
    for name in ("label_entropy", "probes", "localisation", "fidelity", "stability"):
        assert f"absent: no {name} here" in shown


def test_the_table_holds_every_number(card):
    table = card_numbers(card).set_index(["entry", "of", "quantity"])["value"]
    assert table["metrics", "trained SAE", "density_histogram never"] == 2
    assert table["metrics", "trained SAE", "patches fvu"] == 0.1
    assert table["monosemanticity by nano", "untrained SAE", "histogram counts 1"] == 4
    assert table["probes", "trained SAE", "k=1 weighted_f1"] == 0.8
    assert table["localisation", "nucleus: PCA", "share_inside"] == 0.4
    assert table["fidelity, cosine", "PCA", "mean"] == 0.8
    assert table["stability", "runs", "untrained mean_max_cosine"] == 0.2
