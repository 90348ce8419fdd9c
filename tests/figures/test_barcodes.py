from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cytosae_toolkit.cohort.cohort import Cohort, open_cohort
from cytosae_toolkit.figures.barcodes import (
    LATENTS_SHOWN,
    NO_LABEL,
    SMALLEST,
    STRIP_COLUMNS,
    barcode_numbers,
    column_order,
    correlation_numbers,
    disease_barcodes,
    disease_table,
    latent_title,
    patient_barcode,
    patient_correlation,
    standing_out,
)
from cytosae_toolkit.figures.style import save_figure

from ..cohort.making import make_barcodes

pytestmark = pytest.mark.filterwarnings("error")


def cohort(*, labels: bool = True, diseases: bool = True, **options) -> Cohort:
    made = make_barcodes(**options)
    if labels:
        made.var["dominant_label"] = ["", "blast", "segmented_neutrophil", "blast"] * (made.n_vars // 4)
    if "latent" in made.var:
        made.var["name"] = ["eosinophilic granules"] + [""] * (made.n_vars - 1)
    if diseases:
        names = sorted(set(made.obs["disease"]))
        means = {name: made.X[(made.obs["disease"] == name).to_numpy()].mean(axis=0).A1 for name in names}
        made.varm["diseases"] = pd.DataFrame(means, index=made.var_names)
    else:
        made.obs["disease"] = pd.Categorical([None] * made.n_obs)
    return open_cohort(made)


def one_patient() -> Cohort:
    return cohort(n_per_disease={"aml": 1})


def silent() -> Cohort:
    made = make_barcodes(3)
    made.X = sparse.csr_matrix(made.shape)
    return open_cohort(made)


def identical() -> Cohort:
    made = make_barcodes(3)
    made.X = sparse.csr_matrix(np.tile(made.X[[0]].toarray(), (made.n_obs, 1)))
    return open_cohort(made)


COHORTS = {
    "usual": cohort,
    "one patient": one_patient,
    "without labels": lambda: cohort(labels=False),
    "without diseases": lambda: cohort(diseases=False),
    "by name": lambda: cohort(labels=False, by_name=True),
    "more latents than columns": lambda: cohort(n_per_disease=2, d=2 * STRIP_COLUMNS + 8),
    "silent": silent,
    "identical": identical,
}


@pytest.mark.parametrize("kind", COHORTS)
def test_every_cohort_is_drawn_with_its_numbers(kind, tmp_path):
    found = COHORTS[kind]()
    name = str(found.patients[0])
    drawn = {
        "diseases": (disease_barcodes(found), barcode_numbers(found)),
        "correlation": (patient_correlation(found), correlation_numbers(found)),
        "patient": (patient_barcode(found, name), barcode_numbers(found, name)),
    }
    for stem, (figure, numbers) in drawn.items():
        picture, table = save_figure(figure, tmp_path / f"{stem}.png", numbers, dpi=30)
        assert picture.stat().st_size > 1000
        assert len(pd.read_csv(table)) == len(numbers)


def test_latents_stand_by_label_the_strongest_first_and_unlabelled_last():
    found = cohort()
    order, total = column_order(found), found.barcodes.sum(axis=0)
    assert len(order.columns) == 39  # the last is silent
    assert list(dict.fromkeys(order.labels)) == ["blast", "segmented_neutrophil", NO_LABEL]
    for label in set(order.labels):
        own = [total[column] for column, name in zip(order.columns, order.labels, strict=True) if name == label]
        assert own == sorted(own, reverse=True)
    spans = order.spans()
    assert [name for name, _, _ in spans] == list(dict.fromkeys(order.labels))
    assert (spans[0][1], spans[-1][2]) == (0, 1)
    assert all(spans[i][2] == spans[i + 1][1] for i in range(2))


def test_numbers_are_the_barcodes_in_the_order_of_the_figure():
    found = cohort()
    table, order = barcode_numbers(found, "p05"), column_order(found).columns
    assert table["key"].tolist() == [str(column) for column in order]
    assert np.array_equal(table["p05"], found.barcodes.toarray()[5, order])
    for name in ("aml", "cll", "healthy"):
        assert np.array_equal(table[name], found.adata.varm["diseases"][name].to_numpy()[order])


def test_without_diseases_all_patients_are_one():
    found = cohort(diseases=False)
    table = disease_table(found)
    assert table.columns.tolist() == ["all patients"]
    assert np.allclose(table["all patients"], found.barcodes.toarray().mean(axis=0))
    assert "all patients\n24 patients" in [
        label.get_text() for label in disease_barcodes(found).axes[0].get_yticklabels()
    ]


def test_correlations_are_numpy_s():
    found = cohort()
    table = correlation_numbers(found)
    assert np.allclose(table[found.patients], np.corrcoef(found.barcodes.toarray()))
    assert table["patient"].tolist() == found.patients.tolist()
    assert table["disease"].tolist() == found.column("disease").tolist()


def test_standing_out_is_difference_over_spread_where_something_occurs():
    made = make_barcodes(4)
    values = made.X.toarray()
    values[:, :3] = 0
    values[0, 0] = 0.01  # hardly anything, and no spread among the others
    values[1:, 1] = np.linspace(0, 2e-3, 11)
    values[0, 1] = 0.02  # 20 standard deviations of next to nothing
    values[0, 2] = 4.0  # nobody else shows it
    made.X = sparse.csr_matrix(values)
    found = standing_out(open_cohort(made), 0, n=40)
    others = values[1:]
    score = (values[0] - others.mean(axis=0)) / (others.std(axis=0) + SMALLEST)
    assert found["column"].tolist() == np.argsort(-np.abs(score), kind="stable").tolist()
    assert found["column"].iloc[0] == 2
    assert min(found.index[found["column"].isin([0, 1])]) > 10
    chosen = found["column"].to_numpy()
    assert np.allclose(found["score"], score[chosen])
    assert np.allclose(found["value"], values[0, chosen])
    assert np.allclose(found["others"], others.mean(axis=0)[chosen])
    assert np.allclose(found["low"], np.quantile(others, 0.1, axis=0)[chosen])
    assert np.allclose(found["high"], np.quantile(others, 0.9, axis=0)[chosen])


def test_a_single_patient_stands_out_in_nothing():
    found = standing_out(one_patient(), 0)
    assert len(found) == LATENTS_SHOWN
    assert (found["score"] == 0).all()


def test_titles_of_latents():
    found = cohort()
    assert latent_title(found, 0) == "eosinophilic granules (latent 0)"
    assert latent_title(found, 2).startswith("segmented neutrophil")
    assert latent_title(found, 2).endswith("(latent 2)")
    assert latent_title(found, 4) == "latent 4"
    assert latent_title(cohort(labels=False, by_name=True), 4) == "concept 4"


def test_a_long_label_is_not_cut():
    found = cohort()
    found.latents.loc[found.latents.index[2], ["name", "dominant_label"]] = ["", "atypical_promyelocyte_with_granules"]
    assert latent_title(found, 2) == "atypical promyelocyte with granules (latent 2)"
