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
    reference_groups,
)


@pytest.fixture
def cohort(atlas):
    return open_cohort(barcodes(atlas))


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
    with pytest.raises(CytosaeError, match="another model"):
        fitting_cohort(open_cohort(cohort.adata), atlas)
