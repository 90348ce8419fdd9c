from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.features import (
    BASELINES,
    FEATURES,
    barcode_features,
    baseline_features,
    choose_features,
)
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.making import make_barcodes


def test_silent_latents_are_left_out():
    found = barcode_features(open_cohort(make_barcodes(d=20)))
    assert found.columns.tolist() == list(range(19))
    assert found.values.shape == (24, 19)


def test_mean_activation_is_over_the_images_of_some_patients():
    adata = make_barcodes(d=20, n_per_disease=2)
    train = np.array([0, 3])
    n = adata.obs["n_cells"].to_numpy()[train]
    mean, frequency = (adata.layers[name].toarray()[train] for name in ("mean", "frequency"))
    expected = np.log10((n @ mean)[:19] / (n @ frequency)[:19])
    np.testing.assert_allclose(barcode_features(open_cohort(adata)).log10_means(train), expected)


def test_a_latent_that_is_silent_in_training_is_below_every_threshold():
    adata = make_barcodes(d=20, n_per_disease=2)
    for name in ("mean", "frequency"):
        layer = adata.layers[name].toarray()
        layer[[0, 3], 4] = 0
        adata.layers[name] = sparse.csr_array(layer)
    assert np.isneginf(barcode_features(open_cohort(adata)).log10_means(np.array([0, 3]))[4])


def test_named_concepts_pass_every_threshold():
    found = barcode_features(open_cohort(make_barcodes(by_name=True)))
    assert np.isposinf(found.log10_means(np.array([0, 1]))).all()


@pytest.mark.parametrize("change", [lambda x: x * 0, lambda x: x * 0 + 3])
def test_constant_barcodes_are_refused(change):
    adata = make_barcodes()
    adata.X = sparse.csr_matrix(change(adata.X.toarray()))
    with pytest.raises(CytosaeError, match="same barcode"):
        barcode_features(open_cohort(adata))


def test_baselines_and_why_one_is_absent():
    adata = make_barcodes()
    found, absent = baseline_features(open_cohort(adata), list(BASELINES))
    assert [one.name for one in found] == ["colour", "colour-sd", "cell-classes", "mean-patch", "cls"]
    assert [one.values.shape[1] for one in found] == [9, 18, 3, 12, 12]
    assert absent == {"set": "all patients come from one image set"}
    del adata.obsm["cls"]
    adata.obsm["cell_classes"] = adata.obsm["cell_classes"] * np.nan
    absent = baseline_features(open_cohort(adata), ["cls", "cell-classes"])[1]
    assert absent == {"cls": "the barcodes have no obsm['cls']", "cell-classes": "it is unknown of every patient"}


def test_the_image_set_is_one_column_each():
    found, _ = baseline_features(open_cohort(make_barcodes(sets=("x", "y"))), ["set"])
    assert (found[0].values.sum(axis=1) == 1).all()
    assert found[0].values.shape[1] == 2


def test_features_are_chosen_by_name():
    assert choose_features(None) == FEATURES
    assert choose_features(("cls",)) == ("barcode", "cls")
    with pytest.raises(CytosaeError, match="Did you mean colour"):
        choose_features(("color",))
