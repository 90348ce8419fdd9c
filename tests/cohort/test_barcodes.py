"""Barcodes equal Eq. 2 and 3 in plain NumPy, and are the same however the atlas was made."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import sparse

from cytosae_toolkit._plugin_parts import Part
from cytosae_toolkit.atlas.building import build_shard, merge_parts
from cytosae_toolkit.atlas.packing import pack
from cytosae_toolkit.atlas.reading import open_atlas
from cytosae_toolkit.cohort.barcodes import barcodes, combine, warn_about_threshold
from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import read_images
from cytosae_toolkit.interfaces.aggregator import Aggregator
from cytosae_toolkit.plugins import create_aggregator

from ..atlas.conftest import PREFIX, WholeTokens, activations
from .conftest import TAU


def means(values, names) -> pd.DataFrame:
    """Return the mean of the rows of each name, in the order of the names' first rows."""
    found = {name: values[names == name].mean(axis=0) for name in dict.fromkeys(names)}
    return pd.DataFrame(found).T


def same(a, b) -> bool:
    """Return whether all numbers of two barcodes are identical, bit by bit."""
    matrices = [(a.X, b.X), *((a.layers[name], b.layers[name]) for name in a.layers)]
    return all((x != y).nnz == 0 for x, y in matrices) and a.varm["diseases"].equals(b.varm["diseases"])


@pytest.fixture
def h(whole_run, cohort_images):
    return activations(whole_run, cohort_images)


@pytest.fixture
def patients(cohort_images):
    return cohort_images.frame["patient"].to_numpy(dtype=str)


def test_barcodes_are_equations_2_and_3(atlas, cohort_images, h, patients):
    found, patches = barcodes(atlas), h[:, PREFIX:]
    expected = means((patches > TAU).sum(axis=1), patients)
    assert found.obs_names.tolist() == expected.index.tolist()
    assert found.X.dtype == np.float64
    assert np.array_equal(found.X.toarray(), expected)
    assert (patches == TAU).any()
    assert not np.array_equal((patches >= TAU).sum(axis=1), (patches > TAU).sum(axis=1))  # strict
    assert not np.array_equal((h > TAU).sum(axis=1), (patches > TAU).sum(axis=1))  # patches alone
    diseases = dict(zip(patients, cohort_images.frame["disease"], strict=True))
    of_patients = np.array([diseases[name] or "" for name in expected.index])
    assert found.varm["diseases"].columns.tolist() == ["aml", "cll", "healthy"]
    for name, values in found.varm["diseases"].items():
        assert np.array_equal(values, expected[of_patients == name].mean(axis=0))


def test_layers_are_the_mean_activation_and_frequency_of_all_images(atlas, h, patients):
    found = barcodes(atlas)
    m = h.astype(np.float64).mean(axis=1).astype(np.float32).astype(np.float64)
    assert np.array_equal(found.layers["mean"].toarray(), means(m, patients))
    assert np.array_equal(found.layers["frequency"].toarray(), means(m > 0, patients))
    n = found.obs["n_cells"].to_numpy()
    total, active = (n @ found.layers[name].toarray() for name in ("mean", "frequency"))
    mean = np.divide(total, active, out=np.zeros_like(total), where=active > 0)
    assert np.allclose(mean, atlas.latents["mean_activation"], rtol=1e-6)
    assert np.allclose(active / n.sum(), atlas.latents["frequency"], rtol=1e-12)


def test_a_patient_with_all_cells_twice_keeps_the_barcode(atlas_of, cell_table, tmp_path, monkeypatch):
    class PixelTokens(WholeTokens):
        def _tokens(self, i):
            seed = int(self.images.read(i).astype(np.int64).sum())
            return np.random.default_rng(seed).integers(-3, 4, (5, 64)).astype(np.float16)

    rows = [f"{i:03}.png" for i in range(9)]
    for name in rows:
        for level in (1, 9):
            Image.open(cell_table.parent / name).save(tmp_path / f"{level}-{name}", compress_level=level)
    table = pd.DataFrame({"path": [f"{level}-{name}" for level in (9, 1) for name in rows]})
    table["patient"], table["group"] = ["a", "b", "b"] * 6, rows * 2
    table.to_csv(tmp_path / "cells.csv", index=False)
    monkeypatch.setattr("cytosae_toolkit.tokens.token_source", lambda images, *_, **__: PixelTokens(images))
    images = read_images(tmp_path / "cells.csv")
    assert len(set(images.content_keys())) == 18
    once, of_a, twice = (
        barcodes(atlas_of(images.subset(np.array(chosen))))
        for chosen in (range(9), [*range(9), *range(9, 18, 3)], range(18))
    )
    assert (twice.obs["n_cells"] == 2 * once.obs["n_cells"]).all()
    assert of_a.obs["n_cells"].tolist() == [6, 6]
    assert once.X.nnz
    for more in (of_a, twice):
        assert (once.X != more.X).nnz == 0
        assert np.allclose(once.layers["mean"].toarray(), more.layers["mean"].toarray(), rtol=1e-14)


def test_shards_that_were_merged_give_the_same_bits(atlas, whole_run, cohort_images, tmp_path):
    parts = [tmp_path / f"part{i}" for i in range(2)]
    for i in (1, 0):
        build_shard(whole_run, cohort_images, parts[i], (i, 2), aggregator_options={"threshold": TAU})
    a, b = (open_cohort(barcodes(source)) for source in (atlas, merge_parts(parts, tmp_path / "m.atlas.zarr")))
    assert same(a.adata, b.adata)
    assert a.record["fingerprint"] == b.record["fingerprint"]
    pd.testing.assert_frame_equal(a.adata.obs, b.adata.obs)


def assert_same_result(a, b):
    a, b = open_cohort(a), open_cohort(b)
    assert same(a.adata, b.adata)
    for name in ("kept_share", "aggregator", "threshold", "fingerprint"):
        assert a.record[name] == b.record[name], name


def test_another_threshold_equals_an_atlas_that_was_built_with_it(atlas, atlas_of, cohort_images):
    other = barcodes(atlas_of(cohort_images, aggregator_options={"threshold": 8}))
    assert_same_result(barcodes(atlas, threshold=8), other)
    assert_same_result(barcodes(atlas, aggregator="count", aggregator_options={"threshold": 8}), other)
    assert not same(barcodes(atlas), other)


@pytest.mark.parametrize("name", ["max", "mean"])
def test_another_aggregator_equals_an_atlas_that_was_built_with_it(atlas, atlas_of, cohort_images, name):
    other = atlas_of(cohort_images, aggregator=name, aggregator_options={})
    assert_same_result(barcodes(atlas, aggregator=name), barcodes(other))
    assert_same_result(barcodes(other, threshold=TAU), barcodes(atlas))


def test_the_atlas_s_own_threshold_needs_no_tokens(atlas, monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.cohort.barcodes.Recoder", None)
    assert same(barcodes(atlas, threshold=TAU), barcodes(atlas))


class Median(Aggregator):
    """A plugin's: patients have the median of their images, diseases that of their patients."""

    def init(self, d_sae):
        return np.zeros(d_sae, np.float32)

    def update(self, state, activations, image):
        return state + np.asarray(activations.sum(axis=0)).ravel()

    def merge(self, a, b):
        return a + b

    def result(self, state):
        return state

    def combine(self, values):
        return np.median(values, axis=0)


def test_an_aggregator_combines_as_it_says(atlas, cohort_images, h, patients, monkeypatch):
    factory = Part.factory
    monkeypatch.setattr(
        Part, "factory", lambda part: (lambda options: Median()) if part.name == "max" else factory(part)
    )
    found, sums = barcodes(atlas, aggregator="max"), h[:, PREFIX:].sum(axis=1)
    expected = {name: np.median(sums[patients == name], axis=0) for name in dict.fromkeys(patients)}
    assert np.array_equal(found.X.toarray(), np.stack(list(expected.values())))
    of_aml = (found.obs["disease"] == "aml").to_numpy()
    assert np.array_equal(found.varm["diseases"]["aml"], np.median(found.X.toarray()[of_aml], axis=0))


@pytest.mark.parametrize("wrong", [np.zeros(2), np.full(3, np.nan), 0.0])
def test_a_combination_that_is_no_value_per_latent_is_refused(wrong, monkeypatch):
    monkeypatch.setattr(Median, "combine", lambda self, values: wrong)
    with pytest.raises(CytosaeError, match="Median does not combine"):
        combine(Median(), sparse.csr_array(np.ones((2, 3))))


def test_the_mean_of_sparse_images():
    values = np.array([[0, 1, 4], [0, 0, 1]], dtype=np.float32)
    assert combine(create_aggregator("count"), sparse.csr_array(values)).tolist() == [0, 0.5, 2.5]


def test_what_is_known_of_patients_and_latents(atlas, cohort_images, patients):
    found, frame = barcodes(atlas), cohort_images.frame
    colours, labels = atlas.embedding("colour").astype(np.float64), frame["label"]
    for i, name in enumerate(found.obs_names):
        own = patients == name
        assert np.allclose(found.obsm["colour"][i], colours[own].mean(axis=0))
        assert np.allclose(found.obsm["colour_sd"][i], colours[own].std(axis=0))
        expected = labels[own].value_counts(normalize=True).reindex(["blast", "lymphocyte", "monocyte"]).fillna(0)
        assert np.allclose(found.obsm["cell_classes"].iloc[i], expected)
    assert found.obsm["cls"].shape == found.obsm["mean_patch"].shape == (12, 64)
    assert found.obs["age"].tolist() == [40.0 + int(name[1:]) for name in found.obs_names]
    assert set(found.obs["sex"]) == {"male", "female"}
    assert "focus" not in found.obs
    assert found.var["latent"].tolist() == list(range(96))
    for name in ("mean_activation", "frequency", "label_entropy"):
        assert found.var[name].reset_index(drop=True).equals(atlas.latents[name].reset_index(drop=True)), name


def test_the_record_says_what_was_counted(atlas):
    record = open_cohort(barcodes(atlas, command="made by hand")).record
    assert record["threshold"] == TAU
    assert record["kept_share"] == atlas.record["kept_share"]
    assert record["sae_fingerprint"] == atlas.record["sae_fingerprint"]
    assert record["n_images"] == 75
    assert record["left_out"] == {"without_patient": 0, "without_disease": 1, "unreadable_patients": []}
    assert record["command"] == "made by hand"
    assert record["by"] == "latent"


def test_images_without_a_patient_are_left_out_and_counted(atlas, h, patients):
    nameless = patients == "p3"
    atlas.images["patient"] = np.where(nameless, "", patients)
    found = barcodes(atlas)
    expected = means((h[:, PREFIX:] > TAU).sum(axis=1)[~nameless], patients[~nameless])
    assert found.obs_names.tolist() == expected.index.tolist()
    assert np.array_equal(found.X.toarray(), expected)
    left_out = json.loads(found.uns["cytosae"]["record"])["left_out"]
    assert left_out["without_patient"] == nameless.sum() > 0


def test_no_disease_at_all(atlas):
    atlas.images["disease"] = ""
    found = barcodes(atlas)
    assert "diseases" not in found.varm
    assert open_cohort(found).record["left_out"]["without_disease"] == 12


def test_patients_without_any_readable_image_are_named(atlas):
    lost = [{"path": "x.png", "reason": "broken", "patient": name} for name in ("z9", "p3", "z9", "z1")]
    atlas.record["skipped"] = [*lost, {"path": "y.png", "reason": "broken"}]
    assert open_cohort(barcodes(atlas)).record["left_out"]["unreadable_patients"] == ["z1", "z9"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"threshold": -1.0}, "no activation"),
        ({"threshold": float("nan")}, "no activation"),
        ({"aggregator": "count", "aggregator_options": {"threshold": -1}}, "greater than or equal to 0"),
        ({"aggregator": "coutn"}, "coutn"),
        ({"aggregator": "max", "threshold": 0.5}, "max has no threshold"),
        ({"aggregator": "max", "aggregator_options": {"power": 2}}, "power"),
        ({"by": "label"}, "no barcodes by 'label'"),
        ({"by": "name"}, "No latent of .* is named"),
    ],
)
def test_what_cannot_be_counted_is_a_sentence(atlas, asked, message):
    with pytest.raises(CytosaeError, match=message):
        barcodes(atlas, **asked)


def test_images_without_any_patient_are_refused(atlas):
    atlas.images["patient"] = ""
    with pytest.raises(CytosaeError, match="None of the images names a patient"):
        barcodes(atlas)


def test_published_statistics_have_no_patients(atlas):
    atlas.record["has_images"] = False
    with pytest.raises(CytosaeError, match="has no images"):
        barcodes(atlas)


def test_a_packed_atlas_without_patient_ids_keeps_its_barcodes_but_cannot_count_again(atlas, tmp_path):
    packed = open_atlas(pack(atlas.path, tmp_path / "a.zip", patient_ids=False))
    found = barcodes(packed)
    assert found.obs_names.str.fullmatch(r"patient \d+").all()
    assert np.array_equal(found.X.toarray(), barcodes(atlas).X.toarray())
    with pytest.raises(CytosaeError, match="packed without patient ids"):
        barcodes(packed, threshold=1.0)


def test_by_name_the_latents_of_a_name_are_added_up(atlas, tmp_path):
    shutil.copytree(atlas.path, tmp_path / "n.atlas.zarr")
    named = open_atlas(tmp_path / "n.atlas.zarr")
    named.annotations.add([40, 90], name="granules", author="A")
    named.annotations.add([95], name="Auer rod", author="A")
    named.annotations.add([94], name="dust", verdict="artefact", author="A")
    found, plain = barcodes(named, by="name"), barcodes(named)
    counts = plain.X.toarray()
    assert found.var_names.tolist() == ["Auer rod", "granules"]
    assert np.array_equal(found.X.toarray(), np.stack([counts[:, 95], counts[:, 40] + counts[:, 90]], axis=1))
    assert found.varm["diseases"].shape == (2, 3)
    assert not found.layers
    assert set(found.obsm) == set(plain.obsm)
    cohort = open_cohort(found)
    assert cohort.by_name
    assert cohort.latent_of(0) is None


@pytest.mark.parametrize(("share", "word"), [(0.001, "lower"), (0.95, "raise")])
def test_a_threshold_that_tells_little_is_warned_about(share, word):
    assert word in warn_about_threshold({"kept_share": share, "threshold": 0.2})


@pytest.mark.parametrize(("share", "threshold"), [(0.3, 0.2), (None, 0.2), (1.0, None)])
def test_a_sensible_threshold_is_not(share, threshold):
    assert warn_about_threshold({"kept_share": share, "threshold": threshold}) is None
