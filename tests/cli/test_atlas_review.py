from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cytosae_toolkit.atlas.names import Annotations
from cytosae_toolkit.atlas.review_items import DecoyLatent
from cytosae_toolkit.cli import atlas_review
from cytosae_toolkit.cli.handling import HandlingGroup
from tests.atlas.review_atlas import ReviewAtlas


@pytest.fixture
def atlas(tmp_path, monkeypatch):
    opened = ReviewAtlas(tmp_path / "a.atlas.zarr")
    opened.annotations = Annotations(tmp_path / "a.names.jsonl", opened.record["sae_fingerprint"], 30)
    monkeypatch.setattr("cytosae_toolkit.atlas.reading.open_atlas", lambda path: opened)

    def decoys(atlas, n, seed, **options):
        picture, heatmap = np.zeros((8, 8, 3), np.uint8), np.ones((2, 2), np.float32)
        return [DecoyLatent(100 + i, [picture] * 3, [heatmap] * 3) for i in range(n)]

    monkeypatch.setattr("cytosae_toolkit.atlas.review_decoys.untrained_decoys", decoys)
    return opened


def review(*arguments: object):
    app = typer.Typer(cls=HandlingGroup)
    app.callback()(lambda: None)
    atlas_review.register(app)
    return CliRunner().invoke(app, ["review", "a.atlas.zarr", *map(str, arguments)])


def test_a_form_is_made_and_its_answers_are_read(atlas, tmp_path):
    options = ("--clusters", 2, "--per-cluster", 2, "--intruder", "--quiet")
    made = json.loads(review("--out", tmp_path / "out", *options, "--json").stdout)
    assert (made["n_latents"], made["n_decoys"], made["n_intruders"]) == (4, 4, 4)
    key = json.loads((tmp_path / "out" / "key.json").read_text())
    lines = ["form,item,verdict,choice,name,note,seconds,reviewer"]
    for item, fact in key["items"].items():
        if fact["kind"] == "intruder":
            lines.append(f"{made['form_id']},{item},,{fact['intruder']},,,1,K")
        else:
            lines.append(f"{made['form_id']},{item},{'yes' if 'latent' in fact else 'no'},,a name,,1,K")
    answers = tmp_path / "answers.csv"
    answers.write_text("\n".join(lines))
    read = ("--import", answers, "--key", made["key"])
    result = review(*read)
    assert result.exit_code == 0, result.output
    for text in (
        "latents: meaningful 100.0% (95 % 51.0% to 100.0%) of 4: 4 yes, 0 artefact, 0 no, 0 unsure",
        "decoys: meaningful 0.0%",
        "difference +100.0%",
        "Fisher's exact p = 0.029",
        "intruder found among latents: 100.0%",
        "by chance 10.0%",
    ):
        assert text in result.stdout
    assert atlas.annotations.current() == {}
    assert json.loads(review(*read, "--json").stdout)["latents"]["yes"] == 4
    assert "4 latents annotated" in review(*read, "--annotate", "--author", "ra").stdout
    assert {(a.verdict, a.name, a.author) for a in atlas.annotations.current().values()} == {
        ("concept", "a name", "ra")
    }


def test_the_words_and_where_the_key_belongs(atlas, tmp_path):
    result = review("--out", tmp_path / "out", "--clusters", 1, "--per-cluster", 3, "--decoys", 1)
    assert "3 latents, 1 decoys, 0 intruder tests" in result.stdout
    assert "Send only the form" in result.stdout
    assert "--import ANSWERS.csv --key" in result.stderr
    assert review("--out", tmp_path / "out").exit_code == 2
    assert review("--out", tmp_path / "out", "--force", "--quiet", "--decoys", 0).exit_code == 0


def test_bad_input_is_one_sentence(atlas, tmp_path):
    (tmp_path / "key.json").write_text(
        json.dumps({"format": "cytosae-review-key", "version": 1, "form": "x", "sae_fingerprint": "beef", "items": {}})
    )
    (tmp_path / "answers.csv").write_text("form,item,verdict\n")
    for arguments, message in (
        ((), "Give --out DIR"),
        (("--out", tmp_path, "--import", "x.csv"), "Give --out DIR"),
        (("--import", "x.csv"), "Give --key"),
        (("--out", tmp_path / "out", "--annotate"), "belong to --import"),
        (("--out", tmp_path / "out", "--min-log10-mean", 5), "Lower --min-log10-mean"),
        (("--import", tmp_path / "answers.csv", "--key", tmp_path / "key.json"), "about the SAE beef"),
    ):
        result = review(*arguments)
        assert result.exit_code == 2, result.output
        assert message in result.stderr
