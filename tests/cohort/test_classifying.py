from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cytosae_toolkit.cohort.classify_options import ClassifyOptions
from cytosae_toolkit.cohort.classifying import classify
from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.making import make_barcodes
from tests.cohort.test_evidence import TinyAtlas

FAST = {"folds": 4, "repeats": 2, "permutations": 9, "bootstraps": 50}


def run(adata=None, atlas=None, **options):
    adata = make_barcodes(sets=("x", "y")) if adata is None else adata
    return classify(open_cohort(adata), ClassifyOptions(**{**FAST, **options}), atlas=atlas)


@pytest.fixture(scope="module")
def result():
    return run(sweep=True, thresholds=(-3.0, -1.0, 0.0))


def test_barcodes_beat_noise(result):
    names = [one.name for one in result.features]
    assert names == ["barcode", "colour", "colour-sd", "set", "cell-classes", "mean-patch", "cls", "commonest class"]
    score = result.barcode.scores["weighted_f1"]
    assert score.pooled > 0.8
    assert score.low <= score.pooled <= score.high
    assert score.p == pytest.approx(1 / 10)
    assert score.chance < 0.6
    for one in result.features[1:]:
        difference = one.difference["weighted_f1"]
        assert difference.low > 0
        assert difference.value == pytest.approx(score.pooled - one.scores["weighted_f1"].pooled)
    assert result.features[-1].scores["balanced_accuracy"].pooled == pytest.approx(1 / 3)
    assert result.absent == {}


def test_tables_agree_with_each_other(result):
    assert result.confusion.to_numpy().sum() == pytest.approx(24)
    recall = np.diag(result.confusion) / result.confusion.sum(axis=1)
    np.testing.assert_allclose(result.per_class["recall"], recall)
    assert result.per_class["support"].tolist() == [8, 8, 8]
    probabilities = result.predictions.filter(like="probability:")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    accuracy = result.barcode.scores["accuracy"].pooled
    assert result.predictions["share_correct"].mean() == pytest.approx(accuracy)


def test_sets_sweep_and_caveats(result):
    assert {one.features for one in result.sets} == {one.name for one in result.features[:-1]} - {"set"}
    assert result.sweep.nested.scores["weighted_f1"].pooled > 0.8
    assert result.sweep.best.min_log10_mean < 0
    assert "optimistic" in result.sweep.note
    assert "Fewer than 20 patients" in result.caveats[0]


def test_the_seed_decides():
    one, same, other = (run(seed=seed, permutations=2) for seed in (3, 3, 4))
    assert one.summary()["features"] == same.summary()["features"] != other.summary()["features"]
    assert one.drivers.equals(same.drivers)


def test_patients_without_the_target_take_no_part():
    adata = make_barcodes()
    adata.obs.iloc[:2, adata.obs.columns.get_loc("disease")] = np.nan
    found = run(adata, permutations=0)
    assert found.n_patients == 22
    assert found.left_out == ("Left out: 2 whose disease is unknown.",)
    assert "p00" not in set(found.predictions["patient"])
    assert found.barcode.scores["weighted_f1"].p is None


def test_another_target():
    adata = make_barcodes()
    adata.obs["sex"] = np.where(np.arange(24) % 2, "f", "m")
    assert run(adata, target="sex", permutations=0).classes == {"f": 12, "m": 12}


def test_a_disease_of_one_laboratory_is_told_by_the_set():
    sets = {"healthy": ("x",), "aml": ("y",), "cll": ("z",)}
    found = run(make_barcodes(sets=sets, signal=0.0), features=("set",), permutations=0)
    assert found.features[1].scores["weighted_f1"].pooled == 1
    assert any("nothing here tells disease from laboratory" in sentence for sentence in found.caveats)


def test_with_an_atlas_each_prediction_leads_to_cells():
    found = run(permutations=0, atlas=_AnyLatent())
    assert not found.evidence.empty
    assert set(found.evidence["patient"]) <= {"p00", "p01"}


class _AnyLatent(TinyAtlas):
    def entries(self, first, stop):
        return super().entries(5, 6)


def test_named_concepts_have_no_threshold():
    adata = make_barcodes(by_name=True)
    found = run(adata, permutations=0)
    assert found.barcode.n_features == 39
    with pytest.raises(CytosaeError, match="nothing to sweep"):
        run(adata, sweep=True)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda a: setattr(a, "X", sparse.csr_matrix(np.ones(a.shape))), {}, "same barcode"),
        (lambda a: None, {"min_log10_mean": 2.0}, "Lower --min-log10-mean"),
        (lambda a: None, {"folds": 9}, "fewer than the 9 folds"),
        (lambda a: None, {"target": "sett"}, "Did you mean set"),
        (lambda a: None, {"target": "set"}, "All patients with a known set have the same"),
    ],
)
def test_bad_input(change, options, message):
    adata = make_barcodes()
    change(adata)
    with pytest.raises(CytosaeError, match=message):
        run(adata, **options)


def test_nan_in_barcodes_is_refused():
    adata = make_barcodes()
    adata.X.data[3] = np.nan
    with pytest.raises(CytosaeError, match="NaN"):
        run(adata)
