from __future__ import annotations

import json
import os

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

from cytosae_toolkit.atlas.published import import_statistics
from cytosae_toolkit.atlas.thresholds import count_above
from cytosae_toolkit.errors import CytosaeError


@pytest.fixture
def folder(tmp_path):
    """Three latents, ten slots: one with ten references of two labels, one with two, one that never fired."""
    made = tmp_path / "toyset"
    made.mkdir()
    values = torch.zeros(3, 10)
    values[0] = torch.tensor([6.0] + [2.0] * 9)
    values[1, :2] = torch.tensor([0.5, 0.25])
    labels = torch.zeros(3, 10, dtype=torch.int64)
    labels[0, 0] = 1
    labels[1, :2] = 1
    labels[1, 5] = 2  # an empty slot's label means nothing
    indices = torch.zeros(3, 10)
    indices[0] = torch.arange(10) + 40_000
    indices[1, :2] = torch.tensor([0.0, 7.0])
    tensors = {
        "sae_mean_acts": torch.tensor([2.4, 0.0005, float("nan")]),
        "sae_sparsity": torch.tensor([0.5, 0.1, 0.0]),
        "top_entropy": torch.tensor([0.56, 0.0, float("nan")]),
        "max_activating_image_values": values,
        "max_activating_image_indices": indices,
        "max_activating_image_label_indices": labels,
    }
    for name, tensor in tensors.items():
        torch.save(tensor, made / f"{name}.pt")
    (tmp_path / "toyset_classnames.txt").write_text("blast\neosinophil\nsmudge\n")
    return made


def test_a_small_set(folder, tmp_path):
    found = anndata.read_zarr(import_statistics(folder, tmp_path / "a.atlas.zarr"))
    var = found.var
    assert found.shape == (0, 3)
    np.testing.assert_allclose(var["mean_activation"], [2.4, 0.0005, 0.0], rtol=1e-6)
    np.testing.assert_allclose(var["frequency"], [0.5, 0.1, 0.0], rtol=1e-6)
    p = np.array([18 / 24, 6 / 24])
    np.testing.assert_allclose(var["label_entropy"], [-(p * np.log(p)).sum(), np.nan, np.nan])
    np.testing.assert_allclose(var["published_entropy"], [0.56, 0, np.nan], rtol=1e-6)
    assert var["n_references"].tolist() == [10, 2, 0]
    assert var["dominant_label"].tolist() == ["blast", "eosinophil", ""]
    np.testing.assert_allclose(var["dominant_share"], [0.75, np.nan, np.nan])


def test_empty_slots_are_no_references(folder, tmp_path):
    varm = anndata.read_zarr(import_statistics(folder, tmp_path / "a.atlas.zarr")).varm
    assert (varm["ref_rows"] == -1).all()  # there are no rows
    np.testing.assert_allclose(varm["ref_values"][1], [0.5, 0.25] + [np.nan] * 8)
    assert varm["published_ref_index"][:2, :3].tolist() == [[40000, 40001, 40002], [0, 7, -1]]
    assert varm["ref_label"][1].tolist() == [1, 1] + [-1] * 8
    assert (varm["ref_label"][2] == -1).all()


def test_the_record_says_what_it_is(folder, tmp_path):
    found = anndata.read_zarr(import_statistics(folder, tmp_path / "a.atlas.zarr"))
    record = json.loads(found.uns["cytosae"]["record"])
    assert record["format"] == "cytosae-atlas"
    assert record["has_images"] is False
    assert record["labels"] == ["blast", "eosinophil", "smudge"]
    assert record["sets"][0]["name"] == "toyset"
    assert str(tmp_path) not in found.uns["cytosae"]["record"]


def test_what_is_absent_stays_absent(folder, tmp_path):
    for file in folder.glob("max_*"):
        file.unlink()
    (folder / "top_entropy.pt").unlink()
    found = anndata.read_zarr(import_statistics(folder, tmp_path / "a.atlas.zarr"))
    assert list(found.var) == ["mean_activation", "frequency"]
    assert not found.varm


def test_class_names_may_be_named(folder, tmp_path):
    (tmp_path / "other.txt").write_text("x\ny\nz\n")
    found = anndata.read_zarr(import_statistics(folder, tmp_path / "a", classnames=tmp_path / "other.txt"))
    assert found.var["dominant_label"].tolist() == ["x", "y", ""]


def test_an_atlas_is_replaced_only_on_request(folder, tmp_path):
    out = import_statistics(folder, tmp_path / "a.atlas.zarr")
    with pytest.raises(CytosaeError, match="exists") as caught:
        import_statistics(folder, out)
    assert "--force" in caught.value.hint
    import_statistics(folder, out, force=True)
    (tmp_path / "precious").mkdir()
    with pytest.raises(CytosaeError, match="is no atlas"):
        import_statistics(folder, tmp_path / "precious", force=True)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("sae_sparsity", torch.zeros(4), r"shape \[4\]; 3 latents"),
        ("sae_sparsity", torch.tensor([0.5, 2.0, 0.0]), "frequencies above 1"),
        ("sae_mean_acts", torch.tensor([1.0, float("inf"), 0.0]), "infinite"),
        ("sae_mean_acts", torch.tensor([1.0, -1.0, 0.0]), "negative"),
        ("sae_mean_acts", [torch.zeros(3)], "holds a list"),
        ("sae_mean_acts", torch.zeros(1).expand(1 << 40), "larger than the file"),
        ("max_activating_image_values", torch.zeros(3, 4), "shape of the reference values"),
        ("max_activating_image_label_indices", torch.full((3, 10), 3), "Label 3 .* has no name"),
    ],
)
def test_impossible_statistics_are_refused(folder, tmp_path, name, content, message):
    torch.save(content, folder / f"{name}.pt")
    with pytest.raises(CytosaeError, match=message):
        import_statistics(folder, tmp_path / "a.atlas.zarr")
    assert not list(tmp_path.glob("*.zarr"))


def test_nothing_in_a_file_is_executed(folder, tmp_path):
    torch.save(Evil(tmp_path / "hacked"), folder / "top_entropy.pt")
    with pytest.raises(CytosaeError, match="nothing in it was executed"):
        import_statistics(folder, tmp_path / "a.atlas.zarr")
    assert not (tmp_path / "hacked").exists()


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(CytosaeError, match="holds no statistics"):
        import_statistics(tmp_path, tmp_path / "a.atlas.zarr")


@pytest.fixture(scope="module")
def mll23(shared_data, tmp_path_factory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("published") / "mll23.atlas.zarr"
    return anndata.read_zarr(import_statistics(shared_data / "data" / "cytosae_feature_data" / "mll23", out)).var


def test_published_entropies_are_recomputed(mll23):
    defined = mll23["label_entropy"].notna()
    assert int(defined.sum()) == 49_083
    assert (mll23["n_references"] >= 10).equals(defined)
    assert (mll23["label_entropy"] - mll23["published_entropy"]).abs().max() <= 1e-6
    assert mll23["label_entropy"].max() == pytest.approx(2.296, abs=1e-3)
    assert mll23["published_entropy"].notna().all()


def test_published_counts_over_thresholds(mll23):
    assert count_above(mll23["mean_activation"].to_numpy()) == {-4: 20_803, -3: 3_801, -2: 3_641, -1: 248}


def test_latents_that_never_fire_are_zero(shared_data, tmp_path):
    folder = shared_data / "data" / "cytosae_feature_data" / "acevedo"
    var = anndata.read_zarr(import_statistics(folder, tmp_path / "a.atlas.zarr")).var
    assert int((var["mean_activation"] == 0).sum()) == 203
    assert int((var["frequency"] == 0).sum()) == 203
    assert "label_entropy" not in var
    assert int(var["published_entropy"].isna().sum()) == 203
