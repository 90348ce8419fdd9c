from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.atlas.card.stability import stability
from cytosae_toolkit.atlas.sweep import SweepFile, expand, runs_of
from cytosae_toolkit.atlas.sweep.concepts import LatentStatistics
from cytosae_toolkit.atlas.sweep.folder import SweepFolder
from cytosae_toolkit.atlas.sweep.seeds import compare_seeds, pairs_of
from cytosae_toolkit.progress import SILENT

ROWS = {seed: np.random.default_rng(seed).normal(size=(6, 4)) for seed in (0, 1, 2)}


class _SAE:
    def __init__(self, rows):
        import torch

        self.decoder_directions = torch.from_numpy(rows)


class Folder(SweepFolder):
    """A sweep whose runs are rows of numbers."""

    opened_runs = 0

    def opened(self, run):
        self.opened_runs += 1
        return type("Run", (), {"sae": _SAE(ROWS[run.seed])})


def runs(*seeds):
    return runs_of(expand(SweepFile("s", "", None, {}, ({}, {"layer": 1}), (0,))), seeds)


def statistics(folder, run, live):
    LatentStatistics(np.ones(6), np.isin(np.arange(6), live).astype(float), 3).save(folder.statistics_path(run))


def test_pairs_are_within_a_point():
    pairs = pairs_of(runs(2, 0, 1))
    assert len(pairs) == 6
    assert all(a.point == b.point and a.seed < b.seed for a, b in pairs)


def test_live_latents_are_compared_once(tmp_path):
    folder, (a, b) = Folder(tmp_path), runs(0, 1)[:2]
    statistics(folder, a, [0, 2, 3])
    statistics(folder, b, [1, 4])
    with SILENT.task("", 1, "") as task:
        (found,) = compare_seeds(folder, [(a, b)], task)
        (again,) = compare_seeds(folder, [(a, b)], task)
    expected = stability(ROWS[0][[0, 2, 3]], ROWS[1][[1, 4]])
    assert found["mean_max_cosine"] == pytest.approx((expected.mean_max_cosine + expected.mean_max_cosine_back) / 2)
    assert (found["n_first"], found["n_second"], found["matched_share"]) == (3, 2, expected.matched_share)
    assert again == found
    assert folder.opened_runs == 2


def test_a_dead_sae_is_compared_with_nothing(tmp_path):
    folder, (a, b) = Folder(tmp_path), runs(0, 1)[:2]
    statistics(folder, a, [])
    statistics(folder, b, [1])
    with SILENT.task("", 1, "") as task:
        assert compare_seeds(folder, [(a, b)], task) == []
