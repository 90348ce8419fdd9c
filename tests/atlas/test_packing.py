from __future__ import annotations

import json
import zipfile

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr
from zarr.storage import ZipStore

from cytosae_toolkit.atlas.packing import neutral_table, pack, unpacked_names
from cytosae_toolkit.atlas.writing import quiet_zarr, write_anndata
from cytosae_toolkit.errors import CytosaeError

SECRETS = ("Miller", "ward-7", "1234-56", "CELL-A", "cell-b", "deadbeef", "born 1950", "scan_77", "/home/hema")


def images() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": ["../ward-7/Miller/scan_77.png", "../ward-7/Miller/two.png", "../ward-7/x/3.png"],
            "label": pd.Categorical(["blast", "blast", None]),
            "patient": pd.Categorical(["Miller", "Miller", "1234-56"]),
            "group": ["CELL-A", "CELL-A", "cell-b"],
            "key": ["deadbeef1", "deadbeef2", "deadbeef3"],
            "set": pd.Categorical(["clinic"] * 3),
            "remark": ["born 1950", "", ""],
            "fvu": [0.1, 0.2, np.nan],
        },
        index=["ward-7/Miller/scan_77.png", "Miller-2", "CELL-B-3"],
    )


@pytest.fixture
def atlas(tmp_path):
    folder = tmp_path / "a.atlas.zarr"
    zarr.create_array(str(folder / "media" / "pictures" / "data"), data=np.arange(10, dtype=np.uint8))
    record = {"format": "cytosae-atlas", "version": 1, "labels": ["blast"], "note": "scan_77 is odd",
              "sets": [{"name": "clinic", "source": "/home/hema/ward-7", "unlike": False}]}  # fmt: skip
    write_anndata(
        folder,
        obs=images(),
        var=pd.DataFrame({"mean_activation": [0.5, 0.1]}),
        obsm={"cls": np.ones((3, 2), np.float32)},
        varm={"ref_rows": np.array([[0, 2], [1, -1]], np.int32)},
        X=sp.csr_matrix(np.eye(3, 2, dtype=np.float32)),
        uns_record=record,
    )
    config = {
        "config": {"images": ["/home/hema/ward-7"], "out": "/home/hema/run", "steps": 7},
        "plugins": {"backbone": {"distribution": "a/b", "options": {"checkpoint": "/home/hema/w.pth"}}},
        "images": {"n": 3, "skipped": [{"path": "/home/hema/ward-7/Miller/4.png"}]},
        "backbone": {"citation": "doi:10.1/2"},
    }
    (folder / "run").mkdir()
    (folder / "run" / "config.json").write_text(json.dumps(config))
    (folder / "run" / "evaluation.json").write_text(json.dumps({"skipped": ["/home/hema/5.png"], "fvu": 0.5}))
    (folder / "run" / "sae.safetensors").write_bytes(b"weights")
    (folder / "Miller.txt").write_text("left behind")
    names = [{"latent": 1, "name": "rods", "note": "best on Miller, not on 1234-56", "author": "mk"}]
    text = "".join(json.dumps(line) + "\n" for line in names)
    (tmp_path / "a.names.jsonl").write_text(text)
    return folder


def opened(path) -> anndata.AnnData:
    with quiet_zarr():
        return anndata.read_zarr(ZipStore(path, mode="r"))


def all_texts(path) -> str:
    """Everything that can be read in a ZIP: its bytes, and all strings in its compressed arrays."""
    with quiet_zarr():
        root = zarr.open_group(ZipStore(path, mode="r"), mode="r")
        arrays = [array for _, array in root.members(max_depth=None) if isinstance(array, zarr.Array)]
        strings = [str(value) for array in arrays if array.dtype.kind in "OTU" for value in np.atleast_1d(array[...])]
    return path.read_bytes().decode("latin-1") + "\n".join(strings)


def test_it_opens_as_it_was(atlas, tmp_path):
    path = pack(atlas, tmp_path / "sub" / "a.zip")
    found = opened(path)
    pd.testing.assert_frame_equal(found.obs, anndata.read_zarr(atlas).obs)
    np.testing.assert_array_equal(found.X.toarray(), np.eye(3, 2))
    with quiet_zarr():
        pictures = zarr.open_array(ZipStore(path, mode="r"), path="media/pictures/data", mode="r")
    np.testing.assert_array_equal(pictures[:], np.arange(10))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        assert archive.read("names.jsonl") == (tmp_path / "a.names.jsonl").read_bytes()


def test_the_same_atlas_gives_the_same_bytes(atlas, tmp_path):
    assert pack(atlas, tmp_path / "a.zip").read_bytes() == pack(atlas, tmp_path / "b.zip").read_bytes()


def test_the_secrets_are_there_with_patient_ids(atlas, tmp_path):
    text = all_texts(pack(atlas, tmp_path / "a.zip"))
    assert all(secret in text for secret in SECRETS)


def test_nothing_says_who_the_patients_are(atlas, tmp_path):
    text = all_texts(pack(atlas, tmp_path / "a.zip", patient_ids=False))
    assert [secret for secret in SECRETS if secret in text] == []
    assert "mean_activation" in text


def test_what_is_left_without_patient_ids_is_consistent(atlas, tmp_path):
    path = pack(atlas, tmp_path / "a.zip", patient_ids=False)
    obs = opened(path).obs
    assert obs.index.tolist() == ["image 000000", "image 000001", "image 000002"]
    assert obs["patient"].tolist() in (["patient 1"] * 2 + ["patient 2"], ["patient 2"] * 2 + ["patient 1"])
    assert obs["group"].nunique() == 2
    assert obs["group"].iloc[0] == obs["group"].iloc[1]
    assert obs["label"].tolist()[:2] == ["blast", "blast"]
    assert set(obs["path"]) == set(obs["key"]) == {""}
    assert "remark" not in obs
    np.testing.assert_array_equal(opened(path).varm["ref_rows"], [[0, 2], [1, -1]])
    record = json.loads(opened(path).uns["cytosae"]["record"])
    assert record["sets"] == [{"name": "clinic", "source": "", "unlike": False}]
    assert record["labels"] == ["blast"]
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("run/config.json"))
        assert archive.read("run/sae.safetensors") == b"weights"
        note = json.loads(archive.read("names.jsonl"))["note"]
    assert config["config"] == {"images": [], "out": "", "steps": 7}
    assert config["plugins"]["backbone"] == {"distribution": "a/b", "options": {"checkpoint": "w.pth"}}
    assert config["images"] == {"n": 3}
    assert config["backbone"]["citation"] == "doi:10.1/2"
    patients = dict(zip(images()["patient"], obs["patient"], strict=True))
    assert note == f"best on {patients['Miller']}, not on {patients['1234-56']}"


def test_numbers_of_patients_are_in_random_order():
    table = pd.DataFrame({"patient": [f"p{i:03}" for i in range(40)]}, index=[f"i{i}" for i in range(40)])
    orders = {tuple(neutral_table(table)[0]["patient"]) for _ in range(4)}
    assert len(orders) > 1
    assert all(sorted(order) == sorted(f"patient {n}" for n in range(1, 41)) for order in orders)


def test_a_label_stays_even_if_a_file_is_called_so():
    table = pd.DataFrame({"label": ["blast"], "path": ["blast.png"]}, index=["blast"])
    neutral, replacements = neutral_table(table)
    assert neutral["label"].tolist() == ["blast"]
    assert "blast" not in replacements


def test_the_names_come_out_again(atlas, tmp_path):
    names = unpacked_names(pack(atlas, tmp_path / "a.zip"))
    assert names.read_bytes() == (tmp_path / "a.names.jsonl").read_bytes()
    (tmp_path / "a.names.jsonl").unlink()
    assert unpacked_names(pack(atlas, tmp_path / "b.zip")) is None


def test_an_output_is_replaced_only_on_request(atlas, tmp_path):
    (tmp_path / "a.zip").write_text("precious")
    with pytest.raises(CytosaeError, match=r"a\.zip exists"):
        pack(atlas, tmp_path / "a.zip")
    assert pack(atlas, tmp_path / "a.zip", force=True).stat().st_size > 1000


def test_what_cannot_be_packed(atlas, tmp_path):
    with pytest.raises(CytosaeError, match="lies within the atlas"):
        pack(atlas, atlas / "a.zip")
    with pytest.raises(CytosaeError, match=r"does not end in \.zip"):
        pack(atlas, tmp_path / "a.tar")
    with pytest.raises(CytosaeError, match="is a file"):
        pack(pack(atlas, tmp_path / "a.zip"), tmp_path / "b.zip")
    with pytest.raises(CytosaeError, match="does not exist"):
        pack(tmp_path / "none.atlas.zarr", tmp_path / "c.zip")
    (atlas / "uns" / "cytosae" / "record" / "zarr.json").write_text("{")
    (atlas / "zarr.json").write_text("{")
    with pytest.raises(CytosaeError):
        pack(atlas, tmp_path / "d.zip")
    assert not (tmp_path / "d.zip").exists()
    assert not list(tmp_path.glob(".*"))
