from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from cytosae_toolkit.cli.main import app
from cytosae_toolkit.cohort.report.document import Paragraph, Report, Section
from cytosae_toolkit.cohort.report.rendering import render
from cytosae_toolkit.cohort.report.sources import TableFolder, file_source, read_json_record
from cytosae_toolkit.cohort.report.tracing import check_report
from cytosae_toolkit.errors import CytosaeError


@pytest.fixture
def report(tmp_path):
    (tmp_path / "t").mkdir()
    path = tmp_path / "r.html"
    sheet = TableFolder(tmp_path / "t", tmp_path / "t", path, "cmd").write("x", pd.DataFrame({"n": [1.5, 2.5]}), "x")
    (tmp_path / "c.json").write_text(json.dumps({"a": {"b/c": [7]}}))
    record = read_json_record(tmp_path / "c.json", file_source(tmp_path / "c.json", path, "cmd", "x"))
    text = [sheet.value(1, "n"), " and ", record.value("a", "b/c", 0)]
    path.write_text(render(Report(["T"], [""], False, [Section("S", [Paragraph(text)])])))
    return path


def test_a_report_that_agrees_with_its_files(report):
    assert check_report(report) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [(">2.50<", ">2.40<", "not what stands at 1/n"), (">7.00<", ">8.00<", "not what stands at a/b~1c/0"),
     ("<p><span", "<p>9 <span", "'9' names no file"), ("1/n", "7/n", "not what stands at 7/n")],
)  # fmt: skip
def test_a_number_that_was_changed(report, old, new, problem):
    text = report.read_text()
    assert old in text
    report.write_text(text.replace(old, new))
    assert any(problem in found for found in check_report(report))


def test_a_file_that_was_changed_or_is_gone(report):
    table = report.parent / "t" / "x.csv"
    table.write_text("n\n1.5\n9\n")
    problems = check_report(report)
    assert any("SHA-256 differs" in problem for problem in problems)
    assert any("'2.50' is not" in problem for problem in problems)
    table.unlink()
    assert check_report(report) == ["t/x.csv is not there."]


def test_verify_checks_reports(report):
    def verify():
        return CliRunner().invoke(app, ["verify", str(report)])

    assert verify().exit_code == 0
    assert "is whole" in verify().stdout
    report.write_text(report.read_text().replace(">2.50<", ">2.40<"))
    assert verify().exit_code == 2
    assert "'2.40' is not what stands" in verify().stdout
    report.write_bytes(b"<p>\xff 3 cells")
    assert verify().exit_code == 2
    assert "is not a report" in verify().stderr


def test_a_report_that_is_not_there(tmp_path):
    with pytest.raises(CytosaeError, match="does not exist"):
        check_report(tmp_path / "r.html")
