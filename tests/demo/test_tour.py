from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.demo.masks import MASKS
from cytosae_toolkit.demo.tour import REPORTED, Demonstration, Tour, run_tour
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training import load_run

SMALL = {"steps": 8, "expansion": 1.0, "batch_tokens": 512, "init_tokens": 512}


@pytest.fixture(scope="module")
def finding(tmp_path_factory, module_cache):
    return run_tour(Tour(tmp_path_factory.mktemp("tour") / "demo", n_images=120, n_fresh=12, training=SMALL))


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYTOSAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def test_everything_that_is_named_is_there(finding):
    assert all(path.stat().st_size > 0 for path in finding.files)
    assert {path.name for path in finding.files} == {
        "training.png", "training.csv", "concepts.png", "localisation.csv", "field.png", "latents.png", "latents.csv",
        "patch.png",
    }  # fmt: skip
    assert json.loads((finding.out / "demo.json").read_text())["clearest"] == [list(x) for x in finding.clearest]


def test_the_table_compares_four_kinds_on_every_mask(finding):
    kinds = {"trained SAE", "untrained SAE", "raw dimension", "brightness"}
    assert {mask: set(part["kind"]) for mask, part in finding.table.groupby("mask")} == dict.fromkeys(MASKS, kinds)
    for column in ("share_inside", "area_share", "recall", "average_precision", "density"):
        assert finding.table[column].between(0, 1).all()
    areas = finding.table.groupby("mask")["area_share"].nunique()
    assert (areas == 1).all()  # everything is measured on the same fresh images
    assert finding.clearest[0][1] == REPORTED[0]
    latents = [latent for latent, _ in finding.clearest]
    assert len(set(latents)) == len(latents)


def test_units_are_measured_on_images_that_the_choice_did_not_see(finding):
    seen = set(pd.read_csv(finding.out / "smears" / "images.csv")["id"])
    fresh = set(pd.read_csv(finding.out / "fresh" / "images.csv")["id"])
    assert finding.run.record["images"]["n"] == len(seen) == 120
    assert len(fresh) == 12
    pixels = {path.read_bytes() for path in (finding.out / "smears").rglob("*.png")}
    assert not pixels & {path.read_bytes() for path in (finding.out / "fresh" / "images").rglob("*.png")}


def test_the_untrained_sae_is_the_one_that_training_started_from(finding):
    tour = Tour(finding.out, n_images=120, n_fresh=12, training=SMALL)
    demonstration = Demonstration(tour, finding.run)
    assert not np.array_equal(demonstration.untrained.W_dec.detach(), finding.run.sae.W_dec.detach())
    again = Demonstration(tour, finding.run)
    assert np.array_equal(again.untrained.W_dec.detach(), demonstration.untrained.W_dec.detach())


def test_reference_images_are_sorted_and_repeat_no_cell(finding):
    demonstration = Demonstration(Tour(finding.out, training=SMALL), finding.run)
    latent = finding.clearest[0][0]
    rows = [row for row, _ in demonstration.references([latent], 6)[latent]]
    groups = demonstration.chosen_on.images.groups()[rows]
    assert len(set(groups)) == len(groups)
    means = [demonstration._latents(row)[:, latent].mean() for row in rows]
    assert means == sorted(means, reverse=True)
    assert all(mean > 0 for mean in means)


def test_what_the_demonstration_backbone_made_is_stamped(finding):
    assert load_run(finding.out / "run").record["backbone"]["demonstration"] is True


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("do not lose me")
    with pytest.raises(CytosaeError, match="is not a run"):
        run_tour(Tour(tmp_path, n_images=24, n_fresh=12, training=SMALL))
    assert (tmp_path / "run" / "letter.txt").exists()


def test_the_atlas_names_the_clearest_latents(finding):
    names = finding.atlas.latents["name"]
    assert {latent: names[latent] for latent, _ in finding.clearest} == {
        latent: "Auer rods" if mask == "auer_rods" else mask.replace("_", " ") for latent, mask in finding.clearest
    }
    assert finding.atlas.n_images == 120


def test_patients_are_classified_compared_and_reported(finding):
    found = finding.patients
    assert found.classification.n_patients == 10
    assert {"demo.h5ad", "patient.html", "groups.html", "diseases.png"} <= {path.name for path in found.files}
    for folder, command in (("classification", "classify"), ("comparison", "compare")):
        record = json.loads((finding.out / folder / f"{folder}.json").read_text())
        assert record["command"].startswith(f"cytosae-toolkit {command} ")
    rank = found.comparison.top(found.comparison.a)["latent"].tolist()
    auer = {mask: latent for latent, mask in finding.clearest}.get("auer_rods")
    assert found.rank == (rank.index(auer) + 1 if auer in rank else None)
