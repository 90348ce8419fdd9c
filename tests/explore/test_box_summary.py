"""The latents of several boxes, gathered."""

from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.explore import Explorer
from cytosae_toolkit.explore.box_summary import BoxSummary

pytestmark = pytest.mark.usefixtures("no_loggers")


@pytest.fixture
def session(trained):
    return Explorer(trained.run, device="cpu", everywhere=0.9)


def test_the_summary_of_several_boxes(session, trained):
    summary = BoxSummary(session)
    for image in session.read_all([trained.table.read(row) for row in range(6)], [str(row) for row in range(6)]):
        summary.add(image)
    table = summary.table(top=None, everywhere=True)
    h = trained.h[:6]
    means = h.mean(axis=1, dtype=np.float64)
    assert set(table.index) == set(np.flatnonzero(means.sum(axis=0)))
    np.testing.assert_allclose(table["mean"], means.mean(axis=0)[table.index], rtol=1e-6)
    np.testing.assert_array_equal(table["max"], h[:, 1:].max(axis=(0, 1))[table.index])
    np.testing.assert_array_equal(table["n_active"], (means > 0).sum(axis=0)[table.index])
    np.testing.assert_array_equal(table["best"], means.astype(np.float32).argmax(axis=0)[table.index] + 1)
    assert table["mean"].is_monotonic_decreasing
    hidden = ((h[:, 1:] > 0).mean(axis=1) > 0.9).all(axis=0)
    assert set(summary.table(top=None).index) == set(table.index) - set(np.flatnonzero(hidden))


def test_a_latent_that_is_asked_for_is_shown_even_if_silent(session, trained):
    summary = BoxSummary(session)
    summary.add(session.load(trained.table.path(0)))
    silent = int(np.flatnonzero(trained.h[0].max(axis=0) == 0)[0])
    assert summary.table(latents=[silent]).loc[silent].tolist() == [0, 0, 0, 0]
