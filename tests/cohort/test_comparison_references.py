from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.comparing import CompareOptions, compare
from cytosae_toolkit.cohort.comparison_references import check_atlas, comparison_references, reference_table
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.compared import ComparedAtlas, ToyExplorer, barcodes


@pytest.fixture
def atlas(monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.explore.explorer.Explorer", ToyExplorer)
    return ComparedAtlas([f"p{i}" for i in range(27)])


@pytest.fixture
def comparison():
    return compare(open_cohort(barcodes()), "A", "B", CompareOptions(rank="difference", top=4, bootstraps=0))


def test_references_are_the_strongest_cells_of_the_groups_patients(comparison, atlas):
    found = comparison_references(comparison, atlas, n_images=6)
    assert [entry.rank for entry in found.of(comparison.a)] == [1, 2, 3, 4]
    for group, others in ((comparison.a, range(36, 81)), (comparison.b, [*range(36), *range(66, 81)])):
        for entry in found.of(group):
            (latent,) = entry.latents
            assert not set(entry.rows) & set(others)
            groups = atlas.images["group"].iloc[entry.rows]
            assert groups.is_unique
            means = atlas.h[:, :, latent].mean(axis=1)
            assert np.allclose(entry.values, means[entry.rows])
            allowed = np.setdiff1d(np.arange(81), list(others))
            best = atlas.images.loc[allowed].assign(m=means[allowed]).groupby("group")["m"].max().nlargest(6)
            assert np.allclose(entry.values, best)
            for row, heatmap in zip(entry.rows, entry.heatmaps, strict=True):
                assert np.array_equal(heatmap.ravel(), atlas.h[row, :, latent])
    assert found.of(comparison.a)[1].title == "latent 1: =rod 1"
    assert found.of(comparison.a)[0].title == "latent 0"


def test_the_table_names_image_patient_and_patch(comparison, atlas):
    found = comparison_references(comparison, atlas, top=2, n_images=3)
    table = reference_table(found.latents, atlas)
    assert table.groupby(["higher_in", "rank"]).size().tolist() == [3, 3, 3, 3]
    first, entry = table.iloc[0], found.latents[0]
    row = entry.rows[0]
    assert (first["id"], first["patient"]) == (f"secret-{row}", f"p{row // 3}")
    peak = int(atlas.h[row, :, entry.latents[0]].argmax())
    assert (first["patch_row"], first["patch_column"]) == divmod(peak, 2)
    assert first["m_i"] == pytest.approx(atlas.h[row, :, entry.latents[0]].mean())


def test_a_named_concept_is_all_latents_of_that_name(atlas):
    named = compare(
        open_cohort(barcodes(by_name=True)), "A", "B", CompareOptions(rank="difference", top=1, bootstraps=0)
    )
    entry = comparison_references(named, atlas, n_images=2).latents[0]
    assert entry.latents == (0, 1)
    assert entry.title == "2 latents: concept 0"
    both = atlas.h[entry.rows[0]][:, [0, 1]]
    assert np.allclose(entry.heatmaps[0].ravel(), both.sum(axis=1))
    assert entry.values[0] == pytest.approx(both.mean(axis=0).sum())


def test_an_atlas_that_does_not_fit_is_refused(comparison, atlas):
    atlas.images["patient"] = "somebody"
    with pytest.raises(CytosaeError, match="no image of any patient of 'A'"):
        check_atlas(comparison, atlas)
    atlas.record["sae_fingerprint"] = "another"
    with pytest.raises(CytosaeError, match="about the SAE f00dfacef00d, the atlas toy.atlas.zarr about another"):
        check_atlas(comparison, atlas)
    atlas.has_images = False
    with pytest.raises(CytosaeError, match="no images"):
        check_atlas(comparison, atlas)
