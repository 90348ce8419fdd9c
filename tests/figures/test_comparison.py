from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.comparing import CompareOptions, compare
from cytosae_toolkit.cohort.comparison_references import comparison_references
from cytosae_toolkit.figures.comparison import (
    N_IMAGES,
    N_LATENTS,
    barcode_scatter,
    figure_numbers,
    label_texts,
    reference_figure,
    volcano,
)
from tests.cohort.compared import ComparedAtlas, ToyExplorer, barcodes


@pytest.fixture(scope="module")
def comparison():
    return compare(open_cohort(barcodes()), "A", "B", CompareOptions(rank="difference", bootstraps=0, top=8))


def points(axis) -> list[int]:
    return [len(np.asarray(group.get_offsets())) for group in axis.collections]


def texts(axis) -> set[str]:
    return {text.get_text() for text in axis.texts}


def test_the_scatter_shows_every_tested_latent_and_the_top_of_both(comparison):
    (axis,) = barcode_scatter(comparison).axes
    assert points(axis) == [30, 8, 8]
    assert axis.get_xlabel() == "barcode of A (12 patients)"
    assert axis.get_ylabel() == "barcode of B (10 patients)"
    assert {"#0", "=rod 1", "#2", "#3", "#4", "#5"} <= texts(axis)
    assert axis.get_xlim() == axis.get_ylim()
    assert axis.get_xlim()[1] > comparison.table[["mean_a", "mean_b"]].to_numpy().max()


def test_no_label_lies_over_another(comparison):
    figure = barcode_scatter(comparison)
    figure.draw_without_rendering()
    boxes = [super(type(text), text).get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 10
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_the_volcano_shows_the_discoveries_of_each_group(comparison):
    (axis,) = volcano(comparison).axes
    found = comparison.table[comparison.table["discovery"]]
    n_a = int((found["difference"] > 0).sum())
    assert points(axis) == [30 - len(found), n_a, len(found) - n_a]
    assert axis.get_ylim()[1] > -np.log10(comparison.table["p"].min())


def test_there_is_no_volcano_without_p_values():
    apart = compare(
        open_cohort(barcodes(sets=["x"] * 12 + ["y"] * 15)), "A", "B", CompareOptions(rank="difference", bootstraps=0)
    )
    with pytest.raises(ValueError, match="no p-values"):
        volcano(apart)
    assert points(barcode_scatter(apart).axes[0])[0] == 30


def test_nothing_discovered_and_barcodes_of_zeros_can_be_drawn():
    adata = barcodes()
    x = np.zeros(adata.shape)
    x[[0, 13], 0] = 1.0
    adata.X = x
    found = compare(open_cohort(adata), "A", "B", CompareOptions(rank="difference", bootstraps=0))
    assert found.n_discoveries == 0
    assert points(volcano(found).axes[0])[1:] == [0, 0]
    assert points(barcode_scatter(found).axes[0])[0] == 1


def test_references_stand_in_the_column_of_their_group(comparison, monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.explore.explorer.Explorer", ToyExplorer)
    atlas = ComparedAtlas([f"p{i}" for i in range(27)])
    figure = reference_figure(comparison, comparison_references(comparison, atlas), atlas)
    left, right = figure.subfigs
    for part, name, patients in ((left, "higher in A (12 patients)", range(12)), (right, "higher in B", range(12, 22))):
        assert part.get_suptitle().startswith(name)
        shown = [axis.get_title() for axis in part.axes if axis.get_title()]
        assert len(shown) == N_LATENTS * N_IMAGES
        assert set(shown) <= {f"p{i}" for i in patients}
        assert sum(len(axis.images) for axis in part.axes) == 2 * N_LATENTS * N_IMAGES
    assert "1. latent 0" in {text.get_text() for axis in left.axes for text in axis.texts}
    assert any("flag: colour" in text.get_text() for axis in left.axes for text in axis.texts)


def test_numbers_and_names(comparison):
    assert list(figure_numbers(comparison, "scatter")) == ["latent", "name", "mean_a", "mean_b", "difference"]
    assert list(figure_numbers(comparison, "volcano"))[2:] == ["difference", "p", "q", "discovery"]
    assert label_texts(comparison.top(comparison.a, 2)) == ["#0", "=rod 1"]
    named = compare(open_cohort(barcodes(by_name=True)), "A", "B", CompareOptions(rank="difference", bootstraps=0))
    assert label_texts(named.top(named.b, 1)) == ["concept 4"]
