import json

import numpy as np
import pytest
from scipy import sparse

from cytosae_toolkit.cohort.barcodes import barcodes
from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._patients import (
    ALL_OTHERS,
    AtlasPatient,
    fitting_cohort,
    outstanding,
    read_folder,
    reference_groups,
)


@pytest.fixture
def cohort(atlas):
    return open_cohort(barcodes(atlas))


@pytest.fixture
def folder(cells_csv, atlas, tmp_path):
    """The files of patient p3 in a folder of their own, and one that is no image."""
    (tmp_path / "p3_copy").mkdir()
    for i in np.flatnonzero(atlas.images["patient"] == "p3"):
        (tmp_path / "p3_copy" / f"{i:02}.png").write_bytes((cells_csv.parent / f"{i:02}.png").read_bytes())
    (tmp_path / "p3_copy" / "99.png").write_bytes(b"no image")
    return tmp_path / "p3_copy"


def test_a_folder_equals_the_same_patient_of_the_atlas(atlas, explorer, cohort, folder):
    patient, known = read_folder(explorer, folder), AtlasPatient(atlas, "p3")
    assert patient.n_unreadable == 1
    assert np.allclose(patient.barcode(cohort), known.barcode(cohort))
    latent = int(atlas.statistics["n_images"].argmax())
    values = [cell.value for cell in patient.cells(latent)]
    assert np.allclose(values, [cell.value for cell in known.cells(latent)], atol=1e-6)
    assert patient.open(patient.cells(latent)[0]).path.parent == folder
    assert patient.pictures.heatmap(latent, 0).shape == atlas.grid
    assert patient.patch_boxes(0)[-1].tolist() == [24, 24, 32, 32]


def test_a_patient_stands_out_against_a_group(cohort, atlas):
    counts = cohort.barcodes.toarray()
    counts[cohort.row_of("p3"), 40] = 500.0
    cohort.adata.X = sparse.csr_array(counts)
    cohort = open_cohort(cohort.adata)
    for group in (ALL_OTHERS, "aml", "control"):
        table = outstanding(cohort, AtlasPatient(atlas, "p3"), group)
        assert table.index[0] == 40 and table["value"].iloc[0] == 500.0 and table["score"].iloc[0] > 0
    others = cohort.barcodes.toarray()[(cohort.column("disease") == "control") & (cohort.patients != "p3"), 40]
    assert np.isclose(table["others"].iloc[0], others.mean())


def test_groups(cohort, atlas):
    assert reference_groups(cohort) == [ALL_OTHERS, "aml", "control"]
    with pytest.raises(CytosaeError, match="nobody else"):
        outstanding(cohort.subset(np.array([0])), AtlasPatient(atlas, str(cohort.patients[0])))


def test_barcodes_of_another_sae_are_refused(cohort, atlas):
    assert fitting_cohort(cohort, atlas) is cohort
    record = json.loads(cohort.adata.uns["cytosae"]["record"]) | {"sae_fingerprint": "another"}
    cohort.adata.uns["cytosae"]["record"] = json.dumps(record)
    with pytest.raises(CytosaeError, match="another SAE"):
        fitting_cohort(open_cohort(cohort.adata), atlas)


def test_an_empty_folder_is_one_sentence(explorer, tmp_path):
    (tmp_path / "x.png").write_bytes(b"no image")
    with pytest.raises(CytosaeError):
        read_folder(explorer, tmp_path)
