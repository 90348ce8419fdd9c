from __future__ import annotations

import base64
import csv
import html
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.comparing import CompareOptions, compare
from cytosae_toolkit.cohort.comparison_answers import read_comparison_review
from cytosae_toolkit.cohort.comparison_review import make_comparison_review
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.compared import FINGERPRINT, ComparedAtlas, ToyExplorer, barcodes
from tests.conftest import skip_or_fail


@pytest.fixture
def atlas(monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.explore.explorer.Explorer", ToyExplorer)
    return ComparedAtlas([f"p{i}" for i in range(27)])


@pytest.fixture
def comparison():
    return compare(open_cohort(barcodes()), "A", "B", CompareOptions(rank="difference", top=11, bootstraps=0))


def form_data(text: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_both_tops_of_both_directions_are_asked_in_random_order(comparison, atlas, tmp_path):
    made = make_comparison_review(comparison, atlas, tmp_path / "out", images_per_latent=4)
    data, key = form_data(made.form.read_text()), json.loads(made.key.read_text())
    assert data["form"] == key["form"] == made.form_id
    assert [item["id"] for item in data["items"]] == list(key["items"])
    assert (made.n_a, made.n_b) == (11, 11)
    assert key["protocol"]["tops"] == [10, 11]
    assert key["groups"] == {"a": "A", "b": "B", "column": "disease"}
    assert key["sae_fingerprint"] == FINGERPRINT
    facts = list(key["items"].values())
    for letter, group in (("a", comparison.a), ("b", comparison.b)):
        listed = sorted((f["rank"], f["latents"][0]) for f in facts if f["higher_in"] == letter)
        assert listed == list(enumerate(comparison.top(group)["latent"], start=1))
    directions = "".join(fact["higher_in"] for fact in facts)
    assert directions not in ("a" * 11 + "b" * 11, "b" * 11 + "a" * 11)
    assert all(len(item["pictures"]) <= 4 for item in data["items"])


def test_pictures_are_of_the_group_in_which_the_latent_is_higher(comparison, atlas, tmp_path):
    made = make_comparison_review(comparison, atlas, tmp_path / "out")
    key = json.loads(made.key.read_text())["items"]
    for item in form_data(made.form.read_text())["items"]:
        for plain, marked in item["pictures"]:
            shades = [
                np.asarray(Image.open(io.BytesIO(base64.b64decode(p.partition(",")[2])))) for p in (plain, marked)
            ]
            row = round((int(shades[0][0, 0, 0]) - 20) / 2)
            assert (row < 36) == (key[item["id"]]["higher_in"] == "a")
            assert np.ptp(shades[1].astype(int), axis=2).max() > 20  # orange somewhere


def test_the_form_hides_direction_rank_and_numbers(comparison, atlas, tmp_path):
    made = make_comparison_review(comparison, atlas, tmp_path / "out")
    text = made.form.read_text()
    bare = re.sub(r"data:image/webp;base64,[A-Za-z0-9+/=]+", "", text).lower()
    for word in ("latent", "rank", "higher", "secret", "f00d", "=rod", "p0", "http://", "https://"):
        assert word not in bare, word
    assert all(set(item) == {"id", "kind", "pictures"} for item in form_data(text)["items"])


def test_the_seed_orders_and_only_a_review_is_replaced(comparison, atlas, tmp_path):
    one, same, other = (
        make_comparison_review(comparison, atlas, tmp_path / name, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one.form.read_bytes() == same.form.read_bytes()
    assert one.form_id != other.form_id
    with pytest.raises(CytosaeError, match="--force"):
        make_comparison_review(comparison, atlas, tmp_path / "a")
    assert make_comparison_review(comparison, atlas, tmp_path / "a", seed=2, force=True).form_id == other.form_id
    (tmp_path / "a" / "answers.csv").write_text("precious")
    with pytest.raises(CytosaeError, match="is not a review, or holds more"):
        make_comparison_review(comparison, atlas, tmp_path / "a", force=True)


CLICK = """
URL.createObjectURL = (blob) => {
  const saved = Object.assign(document.createElement("pre"), { id: "csv" });
  blob.text().then((text) => { saved.textContent = text; document.body.append(saved); });
  return "#saved";
};
const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
$("reviewer").value = "Dr. K"; $("reviewer").dispatchEvent(new Event("input"));
press("1"); press("n"); press("2"); press("n"); press("3"); press("n"); press("4"); press("n"); press("5"); press("n");
press("6"); document.querySelector("section.current [data-verdict=b]").click();
$("save").click();
document.title = [...document.querySelectorAll("section.current button")].map((b) => b.textContent).join("|");
"""


def test_an_expert_clicks_through_in_a_browser(comparison, atlas, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        skip_or_fail("Chromium is not installed")
    made = make_comparison_review(comparison, atlas, tmp_path / "out", images_per_latent=2)
    page = tmp_path / "page.html"
    page.write_text(made.form.read_text().replace("</body>", f"<script>{CLICK}</script></body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [browser, *options, profile, page.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    title = html.unescape(re.search("<title>(.*?)</title>", shown)[1])
    assert title == ("1Yes, for A|2Yes, for B|3Yes, for either|4Nothing recognisable|5Background, border, stain, focus")
    text = html.unescape(re.search(r'<pre id="csv">(.*?)</pre>', shown, re.DOTALL)[1])
    rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    verdicts = [row["verdict"] for row in rows]
    assert verdicts[:6] == ["a", "b", "either", "unrecognised", "artefact", "b"]
    assert set(verdicts[6:]) == {""}
    answers = tmp_path / "answers.csv"
    answers.write_text(text, encoding="utf-8", newline="")
    both = read_comparison_review(answers, made.key).tops[3]
    assert (both.top, both.direction, both.n) == (11, "both", 22)
    assert (both.answered, both.recognised, both.artefact, both.assigned) == (6, 4, 1, 3)
