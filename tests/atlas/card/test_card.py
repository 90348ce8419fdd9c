from __future__ import annotations

import json

import pytest

from cytosae_toolkit.atlas.card import full_evaluation
from cytosae_toolkit.cli.common import to_json
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import read_images
from cytosae_toolkit.plugins import create_backbone
from cytosae_toolkit.training import evaluate, load_run, train

KINDS = {"trained SAE", "untrained SAE", "raw dimensions", "PCA", "untrained backbone"}
SECTIONS = ("monosemanticity", "label_entropy", "probes", "localisation", "fidelity", "stability")


def test_the_card_has_every_entry_with_formula_and_source(tiny_run, masked_table, tiny_config):
    other = train(tiny_config(held_out=0.0, steps=2, seed=1, out=tiny_run.path.parent / "other"))
    card = full_evaluation(tiny_run, masked_table, other_run=other, ablated=(0, 3), device="cpu")
    for name in SECTIONS:
        assert card[name]["formula"], name
        assert card[name]["source"], name
        assert "absent" not in card[name], name
    plain = evaluate(tiny_run, masked_table, device="cpu")
    assert {name: card[name] for name in plain} == plain
    assert set(card["monosemanticity"]["encoders"][0]["units"]) == KINDS
    assert set(card["label_entropy"]["units"]) == KINDS
    assert set(card["probes"]["scores"]) >= KINDS
    assert {unit["kind"] for unit in card["localisation"]["units"]} == KINDS | {"brightness", "distance to the centre"}
    assert card["localisation"]["structures"] == ["value 255"]
    assert set(card["fidelity"]["ablated"]) == {"0", "3"}
    assert card["stability"]["matching"] == "hungarian"
    assert card["stability"]["untrained"]["mean_max_cosine"] < 0.6  # five steps from its own start it would be 1
    json.dumps(to_json(card), allow_nan=False)


def test_it_is_the_same_again_and_another_with_another_seed(tiny_run, masked_table):
    first, again, other = (full_evaluation(tiny_run, masked_table, device="cpu", seed=seed) for seed in (3, 3, 4))
    assert json.dumps(to_json(first)) == json.dumps(to_json(again))
    assert first["probes"]["scores"] != other["probes"]["scores"]


def test_the_encoder_is_named_and_marked_where_it_is_the_saes_own(tiny_run, masked_table, tiny_backbone):
    same = create_backbone("timm", device="cpu", **tiny_backbone)
    another = create_backbone("timm", device="cpu", **tiny_backbone | {"seed": "7"})
    circular = {}
    for name, judge in (("same", same), ("another", another)):
        card = full_evaluation(tiny_run, masked_table, embedding_backbone=judge, device="cpu")
        own, second = card["monosemanticity"]["encoders"]
        assert (own["circular"], own["encoder"]) == (True, "timm")
        assert second["embedding"] == "final embedding, continued from layer 5"
        circular[name] = second["circular"]
    assert circular == {"same": True, "another": False}


def test_what_the_images_do_not_tell_is_absent(tiny_run, tiny_images):
    table = read_images(tiny_images).with_column("label", [None] * 24)
    card = full_evaluation(tiny_run, table, device="cpu")
    reasons = {name: card[name].get("absent", "") for name in SECTIONS}
    assert "no labels" in reasons["label_entropy"]
    assert "two labels" in reasons["probes"]
    assert "no masks" in reasons["localisation"]
    assert "no other run" in reasons["stability"]
    assert "probe_accuracy" not in card["fidelity"]
    assert reasons["monosemanticity"] == reasons["fidelity"] == ""


def test_a_backbone_without_random_weights_is_said_to_be_absent(monkeypatch, tiny_run, masked_table):
    def refuse(*arguments, **options):
        raise CytosaeError("It offers no random weights.")

    monkeypatch.setattr("cytosae_toolkit.atlas.card.card.untrained_backbone", refuse)
    card = full_evaluation(tiny_run, masked_table, device="cpu")
    assert card["card"]["untrained_backbone"] == "It offers no random weights."
    assert "untrained backbone" not in card["probes"]["scores"]


def test_what_does_not_fit_is_refused(tiny_run, masked_table):
    with pytest.raises(CytosaeError, match=r"no latent 128.*0 to 127"):
        full_evaluation(tiny_run, masked_table, ablated=(128,), device="cpu")
    other = load_run(tiny_run.path)
    other.record["backbone"]["fingerprint"] = "0" * 32
    with pytest.raises(CytosaeError, match="differ in their backbone"):
        full_evaluation(tiny_run, masked_table, other_run=other, device="cpu")
