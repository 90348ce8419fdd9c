from __future__ import annotations

import json

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cytosae_toolkit.cohort.barcodes import barcodes
from cytosae_toolkit.cohort.cohort import check_cohort_path, open_cohort, save_cohort
from cytosae_toolkit.errors import CytosaeError

from .making import make_barcodes


def test_a_file_keeps_everything(atlas, tmp_path):
    made = barcodes(atlas)
    found = open_cohort(save_cohort(made, tmp_path / "new" / "b.h5ad"))
    assert found.path == tmp_path / "new" / "b.h5ad"
    back = found.adata
    assert found.record == json.loads(made.uns["cytosae"]["record"])
    for a, b in ((made.X, back.X), *((made.layers[name], back.layers[name]) for name in ("mean", "frequency"))):
        assert b.dtype == np.float64
        assert sparse.issparse(b)
        assert (a != b).nnz == 0
    for a, b in ((made.obs, back.obs), (made.var, back.var)):
        pd.testing.assert_frame_equal(a, b, check_dtype=False, check_categorical=False, check_column_type=False)
    assert set(back.obsm) == {"colour", "colour_sd", "cls", "mean_patch", "cell_classes"}
    for name in back.obsm:
        assert np.array_equal(np.asarray(made.obsm[name]), np.asarray(back.obsm[name]), equal_nan=True), name
    assert found.embedding("cell_classes").columns.tolist() == ["blast", "lymphocyte", "monocyte"]
    pd.testing.assert_frame_equal(made.varm["diseases"], back.varm["diseases"])


def test_what_a_cohort_says_of_patients(atlas, cohort_images):
    found = open_cohort(barcodes(atlas))
    assert len(found) == 12
    assert found.patients.tolist() == list(dict.fromkeys(cohort_images.frame["patient"]))
    assert found.n_cells.sum() == 75
    assert set(found.sets) <= {"north", "south"}
    assert sum(name is None for name in found.column("disease")) == 1
    assert found.column("age")[found.row_of("p3")] == "43.0"
    assert found.barcodes.shape == (12, 96)
    assert found.latents["key"].tolist() == [str(s) for s in range(96)]
    assert found.latent_of(7) == 7
    assert not found.by_name


def test_a_subset_keeps_its_order():
    whole = open_cohort(make_barcodes(4))
    part = whole.subset(np.array([5, 0, 3]))
    assert part.patients.tolist() == whole.patients[[5, 0, 3]].tolist()
    assert np.array_equal(part.barcodes.toarray(), whole.barcodes.toarray()[[5, 0, 3]])
    assert np.array_equal(part.layer("mean").toarray(), whole.layer("mean").toarray()[[5, 0, 3]])
    assert part.column("disease").tolist() == whole.column("disease")[[5, 0, 3]].tolist()
    assert part.record == whole.record


def test_named_concepts_have_neither_layers_nor_latents():
    cohort = open_cohort(make_barcodes(3, by_name=True))
    assert cohort.by_name
    assert cohort.latent_of(0) is None
    assert cohort.layer("mean") is None
    assert cohort.layer("frequency") is None


def test_embeddings_have_names_of_columns():
    cohort = open_cohort(make_barcodes(3))
    assert cohort.embedding("colour").columns.tolist() == [f"colour_{i}" for i in range(9)]
    assert cohort.embedding("cell_classes").columns.tolist() == ["a", "b", "c"]
    assert cohort.embedding("age") is None


def test_what_is_not_there_is_named_with_what_is_near():
    cohort = open_cohort(make_barcodes(3))
    with pytest.raises(CytosaeError, match="no column 'diseases'") as error:
        cohort.column("diseases")
    assert "disease" in error.value.hint
    with pytest.raises(CytosaeError, match="no patient 'p0'"):
        cohort.row_of("p0")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad, tmp_path):
    made = make_barcodes(3)
    made.X.data[5] = bad
    with pytest.raises(CytosaeError, match="holds NaN or infinite"):
        open_cohort(save_cohort(made, tmp_path / "b.h5ad"))


def changed(made, **entries):
    made.uns["cytosae"] = {"record": json.dumps(json.loads(made.uns["cytosae"]["record"]) | entries)}
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (changed(make_barcodes(3), version=2), "format version 2, this program reads 1"),
        (changed(make_barcodes(3), format="cytosae-atlas"), "does not hold barcodes"),
        (anndata.AnnData(np.ones((2, 3))), "does not hold barcodes"),
        (anndata.AnnData(np.ones((2, 3)), uns={"cytosae": "text"}), "does not hold barcodes"),
        (anndata.AnnData(np.ones((2, 3)), uns={"cytosae": {"record": "{"}}), "does not hold barcodes"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_other_anndata_is_refused(made, message, tmp_path):
    with pytest.raises(CytosaeError, match=message):
        open_cohort(made)
    made.write_h5ad(tmp_path / "b.h5ad")
    with pytest.raises(CytosaeError, match=f"b.h5ad .*{message}"):
        open_cohort(tmp_path / "b.h5ad")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(CytosaeError, match="do not exist"):
        open_cohort(tmp_path / "b.h5ad")
    with pytest.raises(CytosaeError, match="is a folder"):
        open_cohort(tmp_path)
    (tmp_path / "b.h5ad").write_text("patient,disease\n")
    with pytest.raises(CytosaeError, match="not a readable file of barcodes"):
        open_cohort(str(tmp_path / "b.h5ad"))


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    path = save_cohort(make_barcodes(3), tmp_path / "b.h5ad")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CytosaeError, match="not a readable file of barcodes"):
        open_cohort(path)


def test_only_force_replaces_a_file(tmp_path):
    path = save_cohort(make_barcodes(3), tmp_path / "b.h5ad")
    with pytest.raises(CytosaeError, match="exists"):
        save_cohort(make_barcodes(2), path)
    assert len(open_cohort(path)) == 9
    save_cohort(make_barcodes(2), path, force=True)
    assert len(open_cohort(path)) == 6
    assert [file.name for file in tmp_path.iterdir()] == ["b.h5ad"]


@pytest.mark.parametrize(("name", "message"), [("b.csv", "does not end in .h5ad"), ("d.h5ad", "is a folder")])
def test_places_where_nothing_is_written(tmp_path, name, message):
    (tmp_path / "d.h5ad").mkdir()
    with pytest.raises(CytosaeError, match=message):
        check_cohort_path(tmp_path / name, force=True)


@pytest.mark.filterwarnings("ignore:Forward slashes")
def test_a_slash_in_the_name_of_a_disease_or_class_is_kept(tmp_path):
    made = make_barcodes({"AML/MDS": 2, "CLL": 2})
    made.obsm["cell_classes"] = made.obsm["cell_classes"].set_axis(["a/b", "b", "c"], axis=1)
    made.varm["diseases"] = pd.DataFrame({"AML/MDS": np.ones(40), "CLL": np.zeros(40)}, index=made.var_names)
    back = open_cohort(save_cohort(made, tmp_path / "b.h5ad"))
    assert back.adata.varm["diseases"].columns.tolist() == ["AML/MDS", "CLL"]
    assert set(back.column("disease")) == {"AML/MDS", "CLL"}
    assert back.embedding("cell_classes").columns.tolist() == ["a/b", "b", "c"]


def test_a_disease_with_a_slash_is_written_without_a_warning(tmp_path, recwarn):
    made = make_barcodes(n_per_disease={"aml/mds": 6, "cll": 6})
    made.varm["diseases"] = pd.DataFrame({"aml/mds": np.arange(made.n_vars) * 1.0, "cll": 0.0}, index=made.var_names)
    back = open_cohort(save_cohort(made, tmp_path / "b.h5ad")).adata
    pd.testing.assert_frame_equal(back.varm["diseases"], made.varm["diseases"], check_names=False)
    assert [str(one.message) for one in recwarn if issubclass(one.category, FutureWarning)] == []
