"""Atlases built at once, in shards, after a kill and by adding: equal to each other and to plain NumPy."""

from __future__ import annotations

import json
from itertools import count

import anndata
import numpy as np
import pytest
from filelock import FileLock

from cytosae_toolkit.atlas import streaming
from cytosae_toolkit.atlas.build_folder import building_folder
from cytosae_toolkit.atlas.building import (
    Work,
    add_images,
    build_atlas,
    build_shard,
    merge_parts,
)
from cytosae_toolkit.atlas.facts import image_facts
from cytosae_toolkit.atlas.plan import RESERVOIR
from cytosae_toolkit.atlas.reading import open_atlas
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import ImageTable, Skipped, read_images
from cytosae_toolkit.progress import Stopped

from .conftest import GRID, PREFIX, WholeTokens
from .dense import dense_statistics

FLOATS = {"colour_r2", "nuclear_area_r", "nc_ratio_r", "cell_size_r", "reproducibility", "position_r2", "set_auroc"}


def contents(path):
    """Every file of an atlas that carries meaning, by name; the date aside."""
    files = {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}
    recorded = json.loads(files.pop("checksums.json"))["files"]
    files["checksums.json"] = {name: entry for name, entry in recorded.items() if not name.startswith("uns/")}
    return {name: data for name, data in files.items() if not name.startswith("uns/")}


def same_record(a, b):
    assert a.record | {"created": ""} == b.record | {"created": ""}


@pytest.fixture
def atlas(whole_run, cells, tmp_path):
    return build_atlas(whole_run, cells, tmp_path / "a.atlas.zarr", top=4, aggregator_options={"threshold": 3})


def test_every_number_equals_plain_numpy(atlas, cells, dense_activations):
    h = dense_activations()
    patches = h[:, PREFIX:]
    found = atlas.to_anndata()
    assert np.array_equal(found.X.toarray(), (patches > 3).sum(axis=1))
    assert np.array_equal(found.layers["max"].toarray(), patches.max(axis=1))
    means = h.astype(np.float64).mean(axis=1).astype(np.float32)
    assert np.array_equal(found.layers["mean"].toarray(), means)
    assert np.allclose(found.obs["l0"], (h > 0).sum(axis=2).mean(axis=1))
    assert atlas.record["kept_share"] == (patches > 3).sum() / (patches > 0).sum()

    table, arrays = cells.frame.assign(set=cells.frame["dataset"], key=cells.content_keys()), {}
    arrays["colour"] = found.obsm["colour"]
    arrays["cell"] = found.obs[["nuclear_area", "nc_ratio", "cell_size"]].to_numpy()
    facts = image_facts(table, arrays, ["north", "south"])
    var, varm = dense_statistics(h, facts, prefix_tokens=PREFIX, grid=GRID, k=4, reservoir=RESERVOIR)
    for name, expected in var.items():
        if expected.dtype.kind in "fiu":
            close = 1e-5 if name in FLOATS else 1e-12
            assert np.allclose(found.var[name], expected, rtol=close, atol=close, equal_nan=True), name
        else:
            assert found.var[name].tolist() == [value or "" for value in expected], name
    for name, expected in varm.items():
        if expected.dtype.kind == "f":
            assert np.allclose(found.varm[name], expected, rtol=1e-12, equal_nan=True), name
        else:
            assert np.array_equal(found.varm[name], expected), name


def test_heat_maps_and_pictures_of_references(atlas, cells, dense_activations):
    h = dense_activations()
    for latent in (3, 40, 95):
        for kind in ("top", "typical", "miss"):
            for reference in atlas.references(latent, kind=kind):
                expected = h[reference.row, PREFIX:, latent].reshape(GRID)
                assert np.array_equal(atlas.heatmap(latent, reference.row), expected)
                assert reference.value == np.float32(h[reference.row, :, latent].astype(float).mean())
                assert reference.id == cells.ids[reference.row]
                if kind == "top":
                    assert reference.peak == (expected.argmax() if expected.any() else -1)
    size = [n * p for n, p in zip(GRID, atlas.record["patch_size"], strict=True)]
    assert atlas.picture(7).shape == (*size, 3)
    assert atlas.original(7).resolve() == cells.path(7).resolve()


def test_references_of_a_set_are_of_that_set_and_never_repeat_a_group(atlas):
    for latent in range(0, 96, 7):
        for name in (None, "north", "south"):
            references = atlas.references(latent, set=name)
            assert len({reference.group for reference in references}) == len(references)
            assert all(name in (None, reference.set) for reference in references)
            values = [reference.value for reference in references]
            assert values == sorted(values, reverse=True)
            assert min(values, default=1) > 0


def test_a_latent_that_never_fires_has_no_references(atlas):
    assert atlas.references(0) == []
    assert atlas.latents.loc[0, "mean_activation"] == 0
    assert len(atlas.column(0)[0]) == 0


@pytest.mark.parametrize("n", [3, 7])  # seven are more than there are blocks: some are empty
def test_shards_merge_to_the_same_bytes(atlas, whole_run, cells, tmp_path, n):
    parts = [tmp_path / f"part{i}" for i in range(n)]
    for i in reversed(range(n)):
        build_shard(whole_run, cells, parts[i], (i, n), top=4, aggregator_options={"threshold": 3})
    merged = merge_parts(parts[::-1], tmp_path / "m.atlas.zarr")
    assert contents(merged.path) == contents(atlas.path)
    same_record(merged, atlas)


def test_missing_and_foreign_shards_are_named(whole_run, cells, tmp_path):
    for i in (0, 2):
        build_shard(whole_run, cells, tmp_path / f"part{i}", (i, 3))
    with pytest.raises(CytosaeError, match="shards 1 of 3 are missing"):
        merge_parts([tmp_path / "part0", tmp_path / "part2"], tmp_path / "m.atlas.zarr")
    build_shard(whole_run, cells, tmp_path / "part1", (1, 3))
    with pytest.raises(CytosaeError, match="given twice"):
        merge_parts([tmp_path / f"part{i}" for i in (0, 1, 2, 0)], tmp_path / "m.atlas.zarr")
    build_shard(whole_run, cells, tmp_path / "other", (1, 3), top=3)
    with pytest.raises(CytosaeError, match="different builds"):
        merge_parts([tmp_path / "part0", tmp_path / "other", tmp_path / "part2"], tmp_path / "m.atlas.zarr")


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_stopped_build_goes_on_to_the_same_bytes(atlas, whole_run, cells, tmp_path, blocks, monkeypatch):
    monkeypatch.setattr(streaming, "SAVE_EVERY", 2)
    asked, out = count(1), tmp_path / "b.atlas.zarr"
    rules = {"top": 4, "aggregator_options": {"threshold": 3}}
    with pytest.raises(Stopped):
        build_atlas(whole_run, cells, out, work=Work(stop=lambda: next(asked) >= blocks), **rules)
    assert not out.exists()
    with pytest.raises(CytosaeError, match="--resume"):
        build_atlas(whole_run, cells, out, **rules)
    again = build_atlas(whole_run, cells, out, resume=True, **rules)
    assert contents(again.path) == contents(atlas.path)
    assert not (tmp_path / "b.atlas.zarr.building").exists()


def test_a_build_killed_between_blocks_and_sums_goes_on_to_the_same_bytes(atlas, whole_run, cells, tmp_path):
    class Killed(Exception):
        pass

    calls, out = count(), tmp_path / "b.atlas.zarr"
    rules = {"top": 4, "aggregator_options": {"threshold": 3}}
    write = streaming.write_block

    def dying(*arguments):
        if next(calls) == 2:
            raise Killed
        write(*arguments)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(streaming, "write_block", dying)
        build_atlas(whole_run, cells, out, **rules)
    assert contents(build_atlas(whole_run, cells, out, resume=True, **rules).path) == contents(atlas.path)


def test_resuming_with_other_rules_is_refused(whole_run, cells, tmp_path):
    with pytest.raises(Stopped):
        build_atlas(whole_run, cells, tmp_path / "b.atlas.zarr", work=Work(stop=lambda: True))
    with pytest.raises(CytosaeError, match="different --top"):
        build_atlas(whole_run, cells, tmp_path / "b.atlas.zarr", top=3, resume=True)
    with pytest.raises(CytosaeError, match="different set of images"):
        build_atlas(whole_run, cells.subset(np.arange(100)), tmp_path / "b.atlas.zarr", resume=True)


def test_adding_a_set_equals_building_from_both(whole_run, cells, tmp_path, atlas):
    rules = {"top": 4, "aggregator_options": {"threshold": 3}}
    first = build_atlas(whole_run, cells.subset(np.arange(90)), tmp_path / "n.atlas.zarr", **rules)
    first.annotations.add([3], name="granules", author="A")
    grown = add_images(first, cells.subset(np.arange(90, 150)))
    whole, found = atlas.to_anndata(), grown.to_anndata()
    for name in whole.var:
        assert whole.var[name].equals(found.var[name]), name
    for name in whole.varm:
        assert np.array_equal(whole.varm[name], found.varm[name], equal_nan=whole.varm[name].dtype.kind == "f"), name
    assert (whole.X != found.X).nnz == 0
    assert whole.obs["path"].tolist() == found.obs["path"].tolist()
    for reference in grown.references(40, kind="typical"):
        assert np.array_equal(grown.heatmap(40, reference.row), atlas.heatmap(40, reference.row))
    assert np.array_equal(grown.picture(140), atlas.picture(140))
    assert grown.latents.loc[3, "name"] == "granules"
    assert grown.sets == ["north", "south"]


def test_adding_what_is_there_is_refused(atlas, cells):
    with pytest.raises(CytosaeError, match="has an image set 'north' already"):
        add_images(atlas, cells.subset(np.arange(10)))
    before = contents(atlas.path)
    with pytest.raises(CytosaeError, match="in the atlas already"):
        add_images(atlas, cells.subset(np.arange(10)), set_name="east")
    assert contents(atlas.path) == before


def test_images_that_are_there_are_refused_before_anything_is_computed(atlas, cells, monkeypatch):
    def never(*_, **__):
        raise AssertionError("this is computed")

    monkeypatch.setattr("cytosae_toolkit.tokens.token_source", never)
    monkeypatch.setattr("cytosae_toolkit.atlas.building.prepare_images", never)
    with pytest.raises(
        CytosaeError, match=r"10 of the 10 images are in the atlas already, such as 000\.png \(the same image\)"
    ):
        add_images(atlas, cells.subset(np.arange(10)), set_name="east")
    assert not building_folder(atlas.path).exists()


def test_what_can_never_work_leaves_nothing_to_go_on_with(whole_run, cells, tmp_path, monkeypatch):
    class Unreadable(WholeTokens):
        def __post_init__(self):
            super().__post_init__()
            self.images = self.images.subset(np.arange(0))
            self.keys, self.table_rows = [], np.arange(0)

    monkeypatch.setattr("cytosae_toolkit.tokens.token_source", lambda images, *_, **__: Unreadable(images))
    with pytest.raises(CytosaeError, match="None of the images can be read"):
        build_atlas(whole_run, cells.subset(np.arange(5)), tmp_path / "b.atlas.zarr")
    assert not building_folder(tmp_path / "b.atlas.zarr").exists()


def test_one_picture_twice_in_new_images_is_no_picture_of_the_atlas(whole_run, cells, tmp_path):
    first = build_atlas(whole_run, cells.subset(np.arange(90)), tmp_path / "b.atlas.zarr", top=4)
    frame = cells.frame.iloc[[100, 100, 101]].reset_index(drop=True).assign(id=["x", "y", "z"])
    twice = ImageTable(frame, cells.root, "twice")
    grown = add_images(first, twice, set_name="twice")
    assert grown.n_images == 93


def test_any_cut_into_ranges_gives_the_same_bytes(atlas, whole_run, cells, tmp_path, monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.atlas.assembly.ENTRIES_AT_ONCE", 300)
    other = build_atlas(whole_run, cells, tmp_path / "b.atlas.zarr", top=4, aggregator_options={"threshold": 3})
    assert contents(other.path) == contents(atlas.path)


def test_dense_codes_wait_no_longer_than_memory_allows(atlas, whole_run, cells, tmp_path, monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.atlas.gathering.PENDING", 1)
    other = build_atlas(whole_run, cells, tmp_path / "b.atlas.zarr", top=4, aggregator_options={"threshold": 3})
    assert contents(other.path) == contents(atlas.path)


def test_anndata_reads_it_and_sees_no_media(atlas):
    found = anndata.read_zarr(atlas.path)
    assert found.shape == (150, 96)
    assert str(found.obs["label"].dtype) == "category"
    assert json.loads(found.uns["cytosae"]["record"]) == atlas.record


def test_without_labels_label_statistics_are_absent(whole_run, cells, tmp_path):
    frame = cells.frame.drop(columns=["label"])
    bare = type(cells)(frame, cells.root, cells.source)
    latents = build_atlas(whole_run, bare, tmp_path / "b.atlas.zarr").latents
    assert not [name for name in latents if "label" in name or name in ("dominant_share", "best_precision")]


def test_one_label_and_fewer_images_than_references(whole_run, cells, tmp_path):
    few = cells.subset(np.arange(6)).with_column("label", ["blast"] * 6)
    atlas = build_atlas(whole_run, few, tmp_path / "b.atlas.zarr")
    assert atlas.latents["label_entropy"].isna().all()
    assert len(atlas.references(95)) <= 6
    assert (atlas.varm("ref_rows")[:, 6:] == -1).all()


def test_two_processes_do_not_build_one_atlas(whole_run, cells, tmp_path):
    with FileLock(tmp_path / ".b.atlas.zarr.lock"), pytest.raises(CytosaeError, match="Another process is building"):
        build_atlas(whole_run, cells, tmp_path / "b.atlas.zarr")


def test_names_of_atlases_and_existing_ones(atlas, whole_run, cells, tmp_path):
    with pytest.raises(CytosaeError, match="exists already"):
        build_atlas(whole_run, cells, atlas.path)
    with pytest.raises(CytosaeError, match=r"ends in \.atlas\.zarr"):
        build_atlas(whole_run, cells, tmp_path / "b.zarr")
    again = build_atlas(whole_run, cells, atlas.path, force=True, top=2)
    assert again.record["top"] == 2


def test_names_survive_rebuilding_with_the_same_sae_only(atlas, whole_run, cells, tmp_path):
    atlas.annotations.add([5], name="Auer rod", author="A")
    again = build_atlas(whole_run, cells, atlas.path, force=True)
    assert again.latents.loc[5, "name"] == "Auer rod"


def test_unreadable_images_leave_no_gap(whole_run, cells, tmp_path, monkeypatch):
    class Gap(WholeTokens):
        def __post_init__(self):
            super().__post_init__()
            self.table_rows = np.delete(self.table_rows, [0, 70])
            self.keys = [self.keys[row] for row in self.table_rows]

        def __len__(self):
            return len(self.table_rows)

        def read(self, indices):
            return np.stack([self._tokens(int(i)) for i in np.asarray(indices)])

    whole = build_atlas(whole_run, cells.subset(np.delete(np.arange(150), [0, 70])), tmp_path / "w.atlas.zarr")
    monkeypatch.setattr("cytosae_toolkit.tokens.token_source", lambda images, *_, **__: Gap(images))
    gap = build_atlas(whole_run, cells, tmp_path / "g.atlas.zarr")
    assert (whole.to_anndata().X != gap.to_anndata().X).nnz == 0
    assert whole.images["id"].tolist() == gap.images["id"].tolist()
    assert open_atlas(gap.path).n_images == 148


@pytest.mark.parametrize("unreadable", [range(64, 128), range(128, 150)])
def test_a_shard_without_a_readable_image_merges(whole_run, cells, tmp_path, monkeypatch, unreadable):
    class Gap(WholeTokens):
        def __post_init__(self):
            super().__post_init__()
            lost = {cells.content_keys()[row] for row in unreadable}
            self.skipped = tuple(Skipped(key, "it is empty") for key in self.keys if key in lost)
            self.table_rows = np.array([i for i in self.table_rows if self.keys[i] not in lost], int)
            self.keys = [self.keys[row] for row in self.table_rows]

        def read(self, indices):
            return np.stack([self._tokens(int(i)) for i in np.asarray(indices)])

    whole = build_atlas(whole_run, cells.subset(np.delete(np.arange(150), unreadable)), tmp_path / "w.atlas.zarr")
    asked = []
    monkeypatch.setattr(
        "cytosae_toolkit.tokens.token_source", lambda images, *_, **options: asked.append(options) or Gap(images)
    )
    parts = [build_shard(whole_run, cells, tmp_path / f"part{i}", (i, 3)).path for i in range(3)]
    merged = merge_parts(parts, tmp_path / "m.atlas.zarr")
    assert all(options["may_be_empty"] for options in asked)
    assert (whole.to_anndata().X != merged.to_anndata().X).nnz == 0
    assert len(merged.record["skipped"]) == len(unreadable)


def test_the_patient_of_an_unreadable_image_is_recorded(whole_run_folder, cells, tmp_path):
    folder, frame = tmp_path / "images", cells.frame.head(4).assign(patient=["a", "b", "b", None])
    folder.mkdir()
    for i, name in enumerate(frame["path"]):
        (folder / name).write_bytes(cells.path(i).read_bytes())
    frame.to_csv(folder / "cells.csv", index=False)
    images = read_images(folder / "cells.csv")
    for name in frame["path"].iloc[[0, 3]]:
        (folder / name).write_bytes(b"no image")
    work = Work(device="cpu", token_options={"store": tmp_path / "tokens"})
    atlas = build_atlas(whole_run_folder, images, tmp_path / "a.atlas.zarr", work=work)
    first, last = atlas.record["skipped"]
    assert first["patient"] == "a"
    assert first["path"].endswith("000.png")
    assert "patient" not in last
    assert atlas.images["patient"].tolist() == ["b", "b"]
