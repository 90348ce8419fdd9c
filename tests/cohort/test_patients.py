from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.cohort.patients import cell_classes, find_patients, text_column
from cytosae_toolkit.errors import CytosaeError


def table(**columns) -> pd.DataFrame:
    """Return seven images of the patients b, a, c, of which one names nobody."""
    frame = {
        "id": [f"i{i}" for i in range(7)],
        "patient": ["b", "a", "b", None, "c", "a", "b"],
        "disease": ["aml", "cll", "aml", "aml", "", "cll", None],
        "set": ["x", "x", "y", "x", "y", "x", "y"],
        "group": ["1", "2", "1", "3", "4", "5", "6"],
        "label": ["blast", "blast", None, "blast", "", "lymphocyte", "monocyte"],
        "unlike": [True, False, False, True, False, False, False],
    }
    return pd.DataFrame(frame | columns)


def test_patients_come_in_the_order_of_their_first_images():
    found = find_patients(table())
    assert found.obs.index.tolist() == ["b", "a", "c"]
    assert [rows.tolist() for rows in found.rows] == [[0, 2, 6], [1, 5], [4]]
    assert all(rows.dtype == np.int64 for rows in found.rows)
    assert found.n_without_patient == 1


def test_what_is_known_of_each():
    obs = find_patients(table()).obs
    assert obs["disease"].tolist() == ["aml", "cll", None]
    assert obs["n_cells"].tolist() == [3, 2, 1]
    assert obs["n_groups"].tolist() == [2, 2, 1]
    assert obs["set"].tolist() == ["y", "x", "y"]
    assert obs["set_share"].tolist() == pytest.approx([2 / 3, 1, 1])
    assert obs["unlike_share"].tolist() == pytest.approx([1 / 3, 0, 0])


def test_categories_with_missing_values_are_read_as_text():
    frame = table()
    frame["patient"], frame["disease"] = frame["patient"].astype("category"), frame["disease"].astype("category")
    pd.testing.assert_frame_equal(find_patients(frame).obs, find_patients(table()).obs)


def test_numbers_of_patients_become_text():
    found = find_patients(table(patient=[7, 7, 8, 8, 7, 9, 9], disease="aml"))
    assert found.obs.index.tolist() == ["7", "8", "9"]


def test_columns_that_are_constant_within_patients_are_kept():
    found = find_patients(
        table(
            age=[50.0, 7, 50, 1, np.nan, 7, 50],
            sex=["f", "m", "f", "m", "", "m", "f"],
            time=[1, 2, 3, 4, 5, 6, 7],
            treated=[True, False, True, True, False, False, True],
            stain=["s"] * 6 + ["t"],
            remark=[""] * 7,
        )
    ).obs
    assert found["age"].tolist()[:2] == [50, 7]
    assert np.isnan(found["age"].iloc[2])
    assert found["sex"].tolist() == ["f", "m", None]
    assert found["treated"].tolist() == [True, False, False]
    assert not {"time", "stain", "remark", "label", "id"} & set(found.columns)


def test_a_column_of_the_table_never_takes_the_place_of_what_is_counted():
    found = find_patients(table(n_cells=[100] * 7, set_share=["all"] * 7)).obs
    assert found["n_cells"].tolist() == [3, 2, 1]
    assert found["set_share"].dtype == np.float64


def test_a_patient_with_two_diseases_is_refused():
    frame = table(disease=["aml", "cll", "cll", "", "", "cll", "aml"])
    with pytest.raises(CytosaeError, match=r"Patient 'b' has 2 diseases: aml and cll\."):
        find_patients(frame)
    frame["disease"] = ["aml", "cll", "mds", "", "", "aml", "aml"]
    with pytest.raises(CytosaeError, match="and 1 patients more have several"):
        find_patients(frame)


@pytest.mark.parametrize("frame", [table(patient=[None] * 7), table(patient=[""] * 7), table().drop(columns="patient")])
def test_images_that_name_nobody_are_refused(frame):
    with pytest.raises(CytosaeError, match="None of the images names a patient"):
        find_patients(frame)


def test_cell_classes_are_shares_of_the_labelled_images():
    frame = table()
    found = cell_classes(frame, find_patients(frame))
    assert found.columns.tolist() == ["blast", "lymphocyte", "monocyte"]
    assert found.loc["b"].tolist() == [0.5, 0, 0.5]
    assert found.loc["a"].tolist() == [0.5, 0.5, 0]
    assert found.loc["c"].isna().all()


def test_without_labels_there_are_no_cell_classes():
    frame = table(label=[None] * 7)
    assert cell_classes(frame, find_patients(frame)) is None


def test_text_of_a_column():
    frame = pd.DataFrame({"a": ["x", "", None, np.nan], "n": [1.0, 2.0, np.nan, 4.0]})
    assert text_column(frame, "a").tolist() == ["x", None, None, None]
    assert text_column(frame, "n").tolist() == ["1.0", "2.0", None, "4.0"]
    assert text_column(frame, "other").tolist() == [None] * 4
