from __future__ import annotations

from cytosae_toolkit.training.log import AFTER_TERMS, BEFORE_TERMS, MetricsLog, term_column


def test_rows_are_whole_at_any_moment(tmp_path):
    log = MetricsLog(tmp_path / "metrics.csv")
    log.append({"step": 1, "loss": 0.5})
    assert log.path.read_text() == "step,loss\n1,0.5\n"
    log.append({"step": 2, "loss": 0.25, "ghost": 0.125})  # a term that comes up later
    assert log.path.read_text() == "step,loss,ghost\n1,0.5,\n2,0.25,0.125\n"
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_rows_after_the_checkpoint_are_cut(tmp_path):
    log = MetricsLog(tmp_path / "metrics.csv")
    for step in (5, 10, 15):
        log.append({"step": step, "loss": 0.1})
    again = MetricsLog(tmp_path / "metrics.csv")
    again.restore(12)
    again.append({"step": 15, "loss": 0.1})
    assert again.path.read_text() == "step,loss\n5,0.1\n10,0.1\n15,0.1\n"


def test_without_a_file_there_are_no_rows(tmp_path):
    log = MetricsLog(tmp_path / "metrics.csv")
    log.restore(100)
    assert log.rows == []


def test_terms_named_like_columns_get_their_own():
    assert term_column("reconstruction") == "reconstruction"
    assert {term_column(name) for name in (*BEFORE_TERMS, *AFTER_TERMS)}.isdisjoint((*BEFORE_TERMS, *AFTER_TERMS))
