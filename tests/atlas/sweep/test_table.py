from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.atlas.sweep import expand, read_sweep, runs_of, write_tables
from cytosae_toolkit.atlas.sweep.concepts import LatentStatistics
from cytosae_toolkit.atlas.sweep.folder import SweepFolder
from cytosae_toolkit.atlas.sweep.table import CONCEPTS, METRICS
from cytosae_toolkit.training import load_run

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


@pytest.fixture
def trained(sweep_file, sweep, tmp_path):
    """Folder and runs of a sweep with two points, three seeds, of which the last is still to be trained."""
    file = sweep_file(vary={"expansion": [4]}, seeds=[0, 1, 2])
    sweep(file, tmp_path / "s", seeds=[0, 1])
    return SweepFolder(tmp_path / "s"), runs_of(expand(read_sweep(file)), (0, 1, 2))


def test_a_row_per_run_with_what_the_run_says(trained):
    folder, runs = trained
    table = write_tables(folder, runs).runs
    assert list(table["state"]) == ["finished", "finished", "waiting"] * 2
    run, row = load_run(folder.run_path(runs[1])), table.iloc[1]
    assert (row["run"], row["seed"], row["expansion"], row["d_sae"]) == (runs[1].name, 1, 2.0, 128)
    assert (row["fvu"], row["measured_on"]) == (run.evaluation["held_out"]["fvu"], "held-out")
    assert row["dead_share_window"] == run.evaluation["dead_share_window"]
    means = LatentStatistics.load(folder.statistics_path(runs[1])).mean_activation
    assert row["never_fired_share"] == np.isnan(means).mean()
    for limit, column in CONCEPTS.items():
        assert row[column] == (np.log10(means[~np.isnan(means)]) > limit).sum()
    assert row["concepts_above_1e-4"] > row["concepts_above_1e-1"]
    assert table.iloc[2][list(METRICS)].isna().all()


def test_a_row_per_point_with_mean_and_sd(trained):
    folder, runs = trained
    tables = write_tables(folder, runs)
    points = tables.points
    assert list(points["label"]) == ["base", "expansion = 4"]
    assert list(points["n_finished"]) == [2, 2]
    values = tables.runs["fvu"][:2].to_numpy(float)
    assert points["fvu"][0] == pytest.approx(values.mean())
    assert points["fvu_sd"][0] == pytest.approx(abs(values[0] - values[1]) / np.sqrt(2))
    assert list(points["n_pairs"]) == [1, 1]
    assert points["stability_mean_max_cosine"].between(0.1, 1).all()
    assert points["stability_mean_max_cosine_sd"].isna().all()
    assert set(points["stability_matching"]) == {"hungarian"}
    for frame, name in ((tables.runs, "runs.csv"), (points, "sweep.csv")):
        assert list(pd.read_csv(folder.path / name).columns) == list(frame.columns)


def test_nothing_trained_is_a_table_too(sweep_file, tmp_path):
    tables = write_tables(SweepFolder(tmp_path / "s"), runs_of(expand(read_sweep(sweep_file())), (0,)))
    assert (list(tables.runs["state"]), list(tables.points["n_finished"])) == (["waiting"], [0])
    assert tables.points["fvu"].isna().all()
