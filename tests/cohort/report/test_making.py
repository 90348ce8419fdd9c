from __future__ import annotations

import json
import re
import subprocess
from html import unescape

import pandas as pd
import pytest

from cytosae_toolkit.atlas.packing import pack
from cytosae_toolkit.cohort.classify_options import ClassifyOptions
from cytosae_toolkit.cohort.classifying import classify
from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.report.document import Value
from cytosae_toolkit.cohort.report.groups import p_of
from cytosae_toolkit.cohort.report.making import make_report
from cytosae_toolkit.cohort.report.sources import Source
from cytosae_toolkit.cohort.report.tracing import check_report, read_report
from cytosae_toolkit.errors import CytosaeError

from .conftest import ALONE, GROUPS, ODD, UNKNOWN


@pytest.fixture(scope="module")
def classification(barcodes_path, tmp_path_factory):
    options = ClassifyOptions(folds=2, repeats=1, permutations=2, bootstraps=2, min_log10_mean=-9)
    return classify(open_cohort(barcodes_path), options).write(tmp_path_factory.mktemp("c") / "c")


@pytest.mark.parametrize("patient", ["p00", ODD, ALONE, UNKNOWN])
def test_every_number_of_a_patient_traces_to_a_file(request_for, patient):
    made = make_report(request_for(), patient=patient)
    assert check_report(made.report) == []
    assert len(read_report(made.report.read_text()).values) > 50


def test_a_classification_is_read_and_checked(request_for, classification, tmp_path):
    made = make_report(request_for(classification=classification), patient="p02")
    text = made.report.read_text()
    assert check_report(made.report) == []
    for name in ("predictions.csv", "drivers.csv", "baselines.csv", "classification.json"):
        assert str(classification / name) in text
    assert "What a classification says" in text
    words = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", "", text)))
    assert "; the strongest of what they are compared with (" in words
    assert ("With one image set left out" in words) == (classification / "sets.csv").is_file()
    assert "It differs most from all other patients in " in words
    record = json.loads((classification / "classification.json").read_text())
    record["barcodes"]["fingerprint"] = "other"
    other = tmp_path / "other"
    other.mkdir()
    (other / "classification.json").write_text(json.dumps(record))
    with pytest.raises(CytosaeError, match="about other barcodes"):
        make_report(request_for(classification=other, out=tmp_path / "x.html"), patient="p02")
    assert not (tmp_path / "x.html").exists()
    assert not (tmp_path / "x-tables").exists()


def test_a_patient_that_took_no_part_in_a_classification(request_for, classification):
    made = make_report(request_for(classification=classification), patient=UNKNOWN)
    assert "took no part in the classification" in made.report.read_text()
    assert check_report(made.report) == []


def test_every_number_of_two_groups_traces_to_a_file(request_for):
    made = make_report(request_for(), groups=GROUPS)
    text = made.report.read_text()
    assert check_report(made.report) == []
    assert text.index("Small groups") < text.index("are compared in")
    folder = made.report.with_name("r-comparison")
    assert folder in made.files
    assert "compare" in json.loads((folder / "comparison.json").read_text())["command"]
    top = pd.read_csv(folder / "top.csv")
    assert all(f"latent {top['latent'][i]}" in text for i in range(3))
    again = make_report(request_for(comparison=folder, out=made.report.with_name("s.html")), groups=GROUPS)
    assert check_report(again.report) == []
    with pytest.raises(CytosaeError, match="is of aml"):
        make_report(request_for(comparison=folder, out=made.report.with_name("t.html")), groups=GROUPS[::-1])


def test_an_atlas_makes_its_barcodes_first_and_may_be_packed(request_for, atlas_path, tmp_path):
    made = make_report(request_for(source=pack(atlas_path, tmp_path / "a.zip")), patient="p00")
    assert (tmp_path / "r.h5ad") in made.files
    assert check_report(made.report) == []
    with pytest.raises(CytosaeError, match="no patient"):
        make_report(request_for(source=atlas_path, out=tmp_path / "s.html"), patient="nobody")
    assert list(tmp_path.glob("s*")) == []
    nameless = pack(atlas_path, tmp_path / "b.zip", patient_ids=False)
    with pytest.raises(CytosaeError, match="has no image of these patients"):
        make_report(request_for(atlas=nameless, out=tmp_path / "s.html"), patient="p00")


def test_the_command_is_given_and_nothing_is_overwritten(request_for):
    request = request_for()
    made = make_report(request, patient=ODD)
    assert "report" in made.report.read_text()
    with pytest.raises(CytosaeError, match=r"r\.html exists"):
        make_report(request, patient=ODD)
    again = make_report(request_for(force=True), patient="p00")
    assert "p00" in again.report.read_text()


@pytest.mark.parametrize(
    ("changes", "about", "message"),
    [
        ({}, {"patient": "p0"}, "no patient 'p0'.*Did you mean p0"),
        ({}, {"groups": ("cll", GROUPS[0])}, "No patient has disease 'cll'.*cll & b"),
        ({}, {}, "one patient or two groups"),
        ({"comparison": "x"}, {"patient": "p00"}, "--comparison belongs to --groups"),
        ({"classification": "x"}, {"groups": GROUPS}, "--classification belongs to --patient"),
        ({"column": "diseas"}, {"patient": "p00"}, "no column 'diseas'.*disease"),
    ],
)
def test_what_cannot_be_asked_for(request_for, tmp_path, changes, about, message):
    with pytest.raises(CytosaeError, match=message):
        make_report(request_for(**changes), **about)
    assert list(tmp_path.glob("r*")) == []


LOOK = """<script>
document.title = JSON.stringify({
  broken: [...document.images].filter((image) => !image.complete || !image.naturalWidth).length,
  images: document.images.length, wide: document.documentElement.scrollWidth - innerWidth,
  heading: document.querySelector("h1").textContent, scripts: document.scripts.length });
</script></body>"""


@pytest.mark.parametrize("width", [1366, 500])
def test_a_browser_shows_it_without_a_network(request_for, chromium, tmp_path, width):
    made = make_report(request_for(), patient=ODD)
    shown = made.report.with_name("shown.html")
    text = made.report.read_text()
    assert "<script>" not in text
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)|url\(|@import", text)
    shown.write_text(text.replace("style-src", "script-src 'unsafe-inline'; style-src").replace("</body>", LOOK))
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [chromium, *options, "--enable-logging=stderr", f"--window-size={width},900", "--virtual-time-budget=3000",
         "--dump-dom", shown.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    found = json.loads(unescape(re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)[1]))
    assert found["broken"] == 0
    assert found["images"] > 20
    assert found["heading"] == f"Patient {ODD}"
    assert found["wide"] <= 0
    pdf = tmp_path / "r.pdf"
    subprocess.run(
        [chromium, *options, f"--print-to-pdf={pdf}", made.report.as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    assert pdf.read_bytes()[:5] == b"%PDF-"


@pytest.mark.parametrize(("text", "words"), [("0.044", ["p = ", "0.044"]), ("<0.001", ["p ", "<0.001"])])
def test_a_p_value_after_its_letter(text, words):
    value = Value(text, Source("a.csv", "", "", ""), "0/p")
    assert [part if isinstance(part, str) else part.text for part in p_of(value)] == words
