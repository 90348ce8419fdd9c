from __future__ import annotations

import pytest

from cytosae_toolkit.figures.classification import confusion_figure, features_figure, sweep_figure
from tests.cohort.test_classifying import run


@pytest.fixture(scope="module")
def result():
    return run(sweep=True, thresholds=(-3.0, -1.0, 0.0), features=("colour",))


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_the_confusion_matrix_shows_patients_of_each_class(result):
    axes = confusion_figure(result).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["aml", "cll", "healthy"]
    assert axes.get_yticklabels()[0].get_text() == "aml\n8 patients"
    assert axes.images[0].get_array().sum() == pytest.approx(3)
    assert any(text.endswith("%") for text in texts(axes))


def test_barcodes_stand_beside_baselines_with_differences(result):
    left, right = features_figure(result).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["barcodes", "colour", "commonest class"]
    assert f"{result.barcode.scores['weighted_f1'].pooled:.2f}" in texts(left)
    difference = result.features[1].difference["weighted_f1"]
    assert f"{difference.value:+.2f}" in texts(right)


def test_the_sweep_has_two_panels_and_names_the_nested_score(result):
    figure = sweep_figure(result)
    above, below = figure.axes
    assert above.get_ylabel() == "weighted F1, pooled"
    assert above.lines[0].get_ydata().tolist() == [point.pooled["weighted_f1"] for point in result.sweep.points]
    assert texts(below) == ["30", "10", "0"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any("chosen within training folds" in text for text in legend)


def test_a_sweep_that_was_not_made_is_not_drawn():
    with pytest.raises(TypeError):
        sweep_figure(run(permutations=0))
