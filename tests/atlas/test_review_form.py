from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cytosae_toolkit.atlas.review import Review, make_review
from cytosae_toolkit.atlas.review_form import grid_boxes, highlighted
from cytosae_toolkit.atlas.review_items import DecoyLatent
from cytosae_toolkit.atlas.review_result import read_review
from tests.atlas.review_atlas import ReviewAtlas
from tests.conftest import skip_or_fail

TIMEOUT = 120


def test_boxes_are_a_regular_grid():
    assert grid_boxes((8, 6, 3), (2, 3)).tolist()[:4] == [[0, 0, 2, 4], [2, 0, 4, 4], [4, 0, 6, 4], [0, 4, 2, 8]]


def test_orange_is_on_one_scale_and_silence_is_grey():
    picture = np.full((4, 4, 3), 100, dtype=np.uint8)
    strong, weak = np.array([[4.0, 0], [0, 0]]), np.array([[1.0, 0], [0, 0]])
    (_, first), (_, second) = highlighted([picture, picture], [strong, weak])
    orange = [int(shown[0, 0, 0]) - int(shown[0, 0, 2]) for shown in (first, second)]
    assert orange[0] > orange[1] > 0
    assert np.ptp(first[3, 3]) == 0
    assert np.ptp(highlighted([picture], [np.zeros((2, 2))])[0][1]) == 0


@pytest.fixture
def review(tmp_path: Path) -> Review:
    decoy = DecoyLatent(7, [np.full((8, 8, 3), 200, np.uint8)] * 3, [np.ones((2, 2), np.float32)] * 3)
    atlas = ReviewAtlas(tmp_path / "a.atlas.zarr")
    return make_review(atlas, tmp_path / "out", clusters=1, per_cluster=2, decoys=[decoy], intruder=True)


@pytest.fixture
def browse(tmp_path: Path, review: Review):
    """Return a function that opens the form in Chromium, runs a script in it, and returns the page afterwards."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        skip_or_fail("Chromium is not installed")

    def open_page(script: str) -> str:
        page = tmp_path / "page.html"
        page.write_text(review.form.read_text().replace("</body>", f"<script>{script}</script></body>"))
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"]
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        done = subprocess.run(
            [browser, *options, profile, page.as_uri()], capture_output=True, text=True, timeout=TIMEOUT, check=True
        )
        return done.stdout

    return open_page


ANSWER = """
const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
URL.createObjectURL = (blob) => {
  const saved = Object.assign(document.createElement("pre"), { id: "csv" });
  blob.text().then((text) => { saved.textContent = text; document.body.append(saved); });
  return "#saved";
};
const shown = () => document.querySelector("section.current");
const fill = (field, text) => { const input = shown().querySelector(`[data-field=${field}]`);
  input.value = text; input.dispatchEvent(new Event("input")); };
$("reviewer").value = "Dr. =K\u00f6rper"; $("reviewer").dispatchEvent(new Event("input"));
press("3"); press("0"); press("n");
shown().querySelectorAll("figure")[3].click(); press("n");
press("1"); fill("name", '=granules, "pink"'); fill("note", "-1"); press("2"); press("1"); press("n");
shown().querySelector("[data-verdict=artefact]").click(); press("n"); press("n"); press("n");
"""


def saved_csv(page: str) -> str:
    return html.unescape(re.search(r'<pre id="csv">(.*?)</pre>', page, re.DOTALL)[1])


def test_an_expert_clicks_through_and_saves_a_csv(browse, review, tmp_path):
    page = browse(ANSWER + '$("save").click();')
    text = saved_csv(page)
    rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    assert list(rows[0]) == ["form", "item", "verdict", "choice", "name", "note", "seconds", "reviewer"]
    key = json.loads(review.key.read_text())
    assert [row["item"] for row in rows] == list(key["items"])
    assert {row["form"] for row in rows} == {review.form_id}
    assert [row["choice"] for row in rows] == ["10", "4", "", "", ""]
    assert [row["verdict"] for row in rows] == ["", "", "yes", "artefact", ""]
    assert rows[2]["name"] == '\'=granules, "pink"'
    assert rows[2]["note"] == "'-1"
    assert all(float(row["seconds"]) >= 0 for row in rows)
    answers = tmp_path / "answers.csv"
    answers.write_text(text, encoding="utf-8", newline="")
    result = read_review(answers, review.key)
    assert result.reviewer == "Dr. =Körper"
    assert result.items["name"][2] == '=granules, "pink"'
    assert result.unanswered == 1
    assert result.latents.yes + result.decoys.yes == 1
    assert result.latents.artefact + result.decoys.artefact == 1


def test_progress_is_shown_and_kept_for_another_day(browse):
    look = """document.title = [$("reviewer").value, $("count").textContent, state.at].join("|")"""
    for _ in range(5):  # a headless browser may end before it has written its storage to disk
        assert "4 of 5 answered" in browse(ANSWER)
        page = browse(look)
        if "4 of 5 answered" in page:
            break
    assert "<title>Dr. =Körper|4 of 5 answered|4</title>" in page
    assert page.count('aria-pressed="true"') == 4


def test_keys_typed_into_a_field_are_text(browse):
    page = browse("""
      const input = document.querySelectorAll("[data-field=name]")[0];
      input.dispatchEvent(new KeyboardEvent("keydown", { key: "n", bubbles: true }));
      document.title = "at " + state.at;
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "p", bubbles: true }));
    """)
    assert "<title>at 0</title>" in page


def test_the_next_unanswered_item_is_found(browse):
    page = browse(ANSWER + """go(0); document.querySelector("#open").click(); document.title = "at " + state.at;""")
    assert "<title>at 4</title>" in page


def test_the_page_may_load_nothing(browse):
    page = browse("""
      const image = new Image();
      document.addEventListener("securitypolicyviolation",
        (event) => { document.title = "refused " + event.effectiveDirective; });
      image.src = "http://127.0.0.1:9/x.png"; document.body.append(image);
    """)
    assert "<title>refused img-src</title>" in page
