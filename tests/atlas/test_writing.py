from __future__ import annotations

import json
import tracemalloc
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr

from cytosae_toolkit.atlas.writing import CSRWriter, RowsWriter, chunk_rows, write_anndata


def matrix(n_rows: int = 7, n_columns: int = 5, seed: int = 0) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    return sp.csr_matrix(rng.random((n_rows, n_columns)).astype(np.float32) * (rng.random((n_rows, n_columns)) < 0.4))


def tables(n: int = 7, latents: int = 5) -> dict[str, pd.DataFrame]:
    obs = pd.DataFrame(
        {
            "label": ["a", None, "b", "a", "a", "b", "b"][:n],
            "fvu": np.linspace(0, 1, n),
            "unlike": np.arange(n) % 2 == 0,
        },
        index=[f"image-{i}" for i in range(n)],
    )
    var = pd.DataFrame({"mean_activation": np.arange(latents) / 7, "flag_set": True}, index=range(latents))
    return {"obs": obs, "var": var}


def files_of(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_anndata_reads_what_was_written(tmp_path):
    folder, x, mean = tmp_path / "a.zarr", matrix(), matrix(seed=1)
    cls = np.random.default_rng(2).random((7, 3)).astype(np.float32)
    references = np.array([[0, -1], [1, 2], [-1, -1], [3, 4], [6, 0]], dtype=np.int32)
    write_anndata(
        folder,
        **tables(),
        uns_record={"format": "cytosae-atlas", "labels": ["é"]},
        obsm={"cls": cls},
        varm={"ref_rows": references, "stats:d1": np.full((5, 5), np.nan)},
        X=x,
        layers={"mean": mean},
    )
    found = anndata.read_zarr(folder)
    assert isinstance(found.X, sp.csr_matrix)
    assert (x != found.X).nnz == 0
    assert (found.layers["mean"] != mean).nnz == 0
    np.testing.assert_array_equal(found.obsm["cls"], cls)
    np.testing.assert_array_equal(found.varm["ref_rows"], references)
    assert found.varm["ref_rows"].dtype == np.int32
    assert np.isnan(found.varm["stats:d1"]).all()
    assert found.obs["label"].tolist() == ["a", "", "b", "a", "a", "b", "b"]
    assert found.obs["unlike"].dtype == bool
    assert found.var_names.tolist() == ["0", "1", "2", "3", "4"]
    assert json.loads(found.uns["cytosae"]["record"]) == {"format": "cytosae-atlas", "labels": ["é"]}


def test_categories_stay_categories(tmp_path):
    given = tables()
    given["obs"]["set"] = pd.Categorical(["d1", "d2"] * 3 + ["d1"], categories=["d2", "d1"])
    write_anndata(tmp_path / "a", **given, uns_record={})
    assert anndata.read_zarr(tmp_path / "a").obs["set"].cat.categories.tolist() == ["d2", "d1"]


def test_it_is_zarr_3_with_consolidated_metadata_and_without_pickles(tmp_path):
    write_anndata(tmp_path / "a.zarr", **tables(), uns_record={}, X=matrix())
    metadata = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())
    assert metadata["zarr_format"] == 3
    assert {"X/indptr", "obs/label", "var/_index"} <= set(metadata["consolidated_metadata"]["metadata"])
    text = b"".join(files_of(tmp_path / "a.zarr").values())
    assert b"pickle" not in text


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_anndata(tmp_path / name, **tables(), uns_record={"x": 1}, X=matrix(), varm={"r": np.ones((5, 2))})
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_no_warning_reaches_the_user(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with CSRWriter(tmp_path / "a.zarr" / "layers", "mean", (7, 5)) as writer:
            writer.append(matrix())
        write_anndata(tmp_path / "a.zarr", **tables(), uns_record={}, X=matrix(), obsm={"cls": np.ones((7, 2))})


@pytest.mark.parametrize("sizes", [[7], [1] * 7, [3, 0, 4], [2, 5]])
@pytest.mark.parametrize("chunk", [3, 1 << 20])
def test_blocks_make_the_same_matrix(tmp_path, sizes, chunk):
    folder, whole, start = tmp_path / "a.zarr", matrix(), 0
    with CSRWriter(folder, "X", (7, 5), chunk) as x, RowsWriter(folder / "obsm" / "cls", (2,), np.float32, 2) as cls:
        for size in sizes:
            x.append(whole[start : start + size])
            cls.append(np.arange(2 * start, 2 * (start + size)).reshape(size, 2))
            start += size
    write_anndata(folder, **tables(), uns_record={})
    found = anndata.read_zarr(folder)
    np.testing.assert_array_equal(found.X.toarray(), whole.toarray())
    np.testing.assert_array_equal(found.obsm["cls"], np.arange(14).reshape(7, 2))


def test_an_atlas_without_images(tmp_path):
    empty = pd.DataFrame(index=pd.Index([], dtype=str))
    write_anndata(tmp_path / "a", obs=empty, var=tables()["var"], uns_record={}, X=sp.csr_matrix((0, 5)))
    found = anndata.read_zarr(tmp_path / "a")
    assert found.shape == (0, 5)
    assert found.X.shape == (0, 5)


def test_folders_that_are_no_zarr_nodes_stay_out_of_sight(tmp_path):
    zarr.create_array(str(tmp_path / "a.zarr" / "media" / "pictures"), shape=(2, 2), dtype="uint8")
    write_anndata(tmp_path / "a.zarr", **tables(), uns_record={}, X=matrix())
    assert anndata.read_zarr(tmp_path / "a.zarr").shape == (7, 5)
    assert "media" not in (tmp_path / "a.zarr" / "zarr.json").read_text()


def test_rows_that_are_missing_or_too_many_are_refused(tmp_path):
    writer = CSRWriter(tmp_path / "a", "X", (3, 5))
    writer.append(matrix(2))
    with pytest.raises(ValueError, match="only 2 of the 3"):
        writer.close()
    with pytest.raises(ValueError, match="more than the 3"):
        writer.append(matrix(2))
    with pytest.raises(ValueError, match="4 columns"):
        writer.append(matrix(1, 4))


def test_rows_of_another_shape_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\(3,\) do not fit"):
        RowsWriter(tmp_path / "a" / "cls", (2,), np.float32).append(np.ones((4, 3)))


@pytest.mark.parametrize("column", [[{}, {}, {}, {}, {}, {}, {}], [1, "a", None, 2.0, "b", "", ""]])
def test_python_objects_are_refused(tmp_path, column):
    obs = tables()["obs"].assign(odd=pd.Series(column, dtype=object).to_numpy())
    with pytest.raises(TypeError, match="'odd' holds neither"):
        write_anndata(tmp_path / "a", obs=obs, var=tables()["var"], uns_record={})


def test_arrays_of_objects_and_nan_in_the_record_are_refused(tmp_path):
    with pytest.raises(TypeError, match="'r' holds object"):
        write_anndata(tmp_path / "a", **tables(), uns_record={}, varm={"r": np.array([[None]] * 5)})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_anndata(tmp_path / "b", **tables(), uns_record={"x": float("nan")})


def test_memory_does_not_grow_with_the_rows(tmp_path):
    def peak(n_blocks: int) -> int:
        block = sp.random(64, 1000, 0.25, format="csr", dtype=np.float32, random_state=0)
        tracemalloc.start()
        with CSRWriter(tmp_path / f"{n_blocks}", "X", (64 * n_blocks, 1000), 1 << 15) as writer:
            for _ in range(n_blocks):
                writer.append(block)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1)
    assert peak(60) < 1.3 * peak(6) + 200_000


def test_chunks_hold_whole_rows():
    assert chunk_rows(768, np.float32) == 1365
    assert chunk_rows(10**9, np.float32) == 1
    assert chunk_rows(0, np.float32) > 1


def test_indices_and_pointers_are_of_one_type(tmp_path):
    for large, dtype in ((False, np.int32), (True, np.int64)):
        with CSRWriter(tmp_path / f"{large}", "X", (2, 3), large=large) as writer:
            writer.append(sp.csr_matrix(np.eye(2, 3, dtype=np.float32)))
        group = zarr.open_group(tmp_path / f"{large}" / "X", mode="r")
        assert group["indices"].dtype == group["indptr"].dtype == dtype
