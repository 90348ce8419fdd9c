from __future__ import annotations

import numpy as np
import pytest
import torch

from cytosae_toolkit.atlas.published_tensors import read_names, read_tensors
from cytosae_toolkit.errors import CytosaeError


def test_what_is_there_is_read_by_name(tmp_path):
    torch.save(torch.tensor([1.0, float("nan")]), tmp_path / "sae_mean_acts.pt")
    torch.save(torch.tensor([0.5, 0.0]), tmp_path / "sae_sparsity.pt")
    found = read_tensors(tmp_path)
    assert list(found) == ["mean_activation", "frequency"]
    np.testing.assert_equal(found["mean_activation"], np.array([1, np.nan], np.float32))


def test_a_folder_of_something_else_is_refused(tmp_path):
    torch.save(torch.ones(2), tmp_path / "sae_sparsity.pt")
    with pytest.raises(CytosaeError, match="holds no statistics of the published code"):
        read_tensors(tmp_path)


def test_class_names_lie_beside_the_folder_within_it_or_where_one_says(tmp_path):
    folder = tmp_path / "mll23"
    folder.mkdir()
    assert read_names(folder, None) == []
    (folder / "classnames.txt").write_text("within\n")
    assert read_names(folder, None) == ["within"]
    (tmp_path / "mll23_classnames.txt").write_text("beside\n\n")
    assert read_names(folder, None) == ["beside"]
    with pytest.raises(CytosaeError, match="cannot be read"):
        read_names(folder, tmp_path / "nowhere.txt")
