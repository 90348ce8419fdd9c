from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from cytosae_toolkit.atlas.names import Annotations
from cytosae_toolkit.cohort.named import named_latents, sum_by_name
from cytosae_toolkit.errors import CytosaeError

from .making import make_barcodes


@pytest.fixture
def atlas(tmp_path):
    return SimpleNamespace(path="a.atlas.zarr", annotations=Annotations(tmp_path / "names.jsonl", "f" * 32, 40))


def test_artefacts_and_what_is_unclear_are_no_concepts(atlas):
    atlas.annotations.add([7, 2], name="granules", author="A")
    atlas.annotations.add([9], name="vacuole", verdict="concept", author="A")
    atlas.annotations.add([3], name="dust", verdict="artefact", author="A")
    atlas.annotations.add([4], name="granules", verdict="unclear", author="A")
    atlas.annotations.add([5], verdict="concept", author="A")
    assert named_latents(atlas) == {"granules": [2, 7], "vacuole": [9]}


def test_the_last_name_counts(atlas):
    atlas.annotations.add([2, 7], name="granules", author="A")
    atlas.annotations.add([7], name="", author="B")
    assert named_latents(atlas) == {"granules": [2]}


def test_nothing_named_is_a_sentence(atlas):
    atlas.annotations.add([3], name="dust", verdict="artefact", author="A")
    with pytest.raises(CytosaeError, match=r"No latent of a\.atlas\.zarr is named") as error:
        named_latents(atlas)
    assert "--by name" in error.value.hint


def test_a_name_is_the_sum_of_its_latents():
    made = make_barcodes(3)
    found, counts = sum_by_name(made, {"vacuole": [9], "granules": [2, 7]}), made.X.toarray()
    assert found.var_names.tolist() == ["granules", "vacuole"]
    assert np.array_equal(found.X.toarray(), np.stack([counts[:, 2] + counts[:, 7], counts[:, 9]], axis=1))
    assert found.X.dtype == np.float64
    assert found.var["latents"].tolist() == ["2 7", "9"]
    assert found.var["n_latents"].tolist() == [2, 1]
    assert found.obs.equals(made.obs)
    assert not found.layers
    assert set(found.obsm) == set(made.obsm)
    assert json.loads(found.uns["cytosae"]["record"]) == json.loads(made.uns["cytosae"]["record"])
