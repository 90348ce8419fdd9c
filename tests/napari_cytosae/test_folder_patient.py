import numpy as np
import pytest

from cytosae_toolkit.cohort.barcodes import barcodes
from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._folder_patient import read_folder
from napari_cytosae._patients import AtlasPatient


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


def test_an_empty_folder_is_one_sentence(explorer, tmp_path):
    (tmp_path / "x.png").write_bytes(b"no image")
    with pytest.raises(CytosaeError):
        read_folder(explorer, tmp_path)
