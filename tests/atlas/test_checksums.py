"""Every file of an atlas is recorded; what is missing, changed or foreign is named."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest

from cytosae_toolkit.atlas.building import build_atlas
from cytosae_toolkit.atlas.checksums import CHECKSUMS, file_problems, read_checksums
from cytosae_toolkit.atlas.packing import pack
from cytosae_toolkit.atlas.reading import open_atlas
from cytosae_toolkit.errors import CytosaeError


@pytest.fixture(scope="module")
def built(whole_run_folder, cell_table, tmp_path_factory):
    """One atlas for all tests, which copy it."""
    from cytosae_toolkit.images import read_images
    from cytosae_toolkit.training import load_run

    from .conftest import WholeTokens

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cytosae_toolkit.tokens.token_source", lambda images, *_, **__: WholeTokens(images))
        images = read_images(cell_table).subset(np.arange(60))
        return build_atlas(load_run(whole_run_folder), images, tmp_path_factory.mktemp("a") / "a.atlas.zarr").path


@pytest.fixture
def atlas(built, tmp_path):
    return shutil.copytree(built, tmp_path / "a.atlas.zarr")


def test_all_files_are_recorded(atlas):
    files = {f.relative_to(atlas).as_posix() for f in atlas.rglob("*") if f.is_file()} - {CHECKSUMS}
    recorded = read_checksums(atlas)
    assert set(recorded) == files
    assert recorded["zarr.json"][0] == (atlas / "zarr.json").stat().st_size
    assert file_problems(atlas) == []


@pytest.mark.parametrize(
    "name",
    ["varm/ref_rows", "varm/ref_values", "X/data", "obsm/cls", "media/by_latent/rows", "media/heatmaps/activation"],
)
def test_a_chunk_that_is_gone_or_cut_is_named(atlas, name):
    chunk = next(f for f in sorted((atlas / name / "c").rglob("*")) if f.is_file())
    content, place = chunk.read_bytes(), chunk.relative_to(atlas).as_posix()
    chunk.write_bytes(content[:-7])
    assert file_problems(atlas) == [f"{place} has changed: {len(content) - 7:,} bytes instead of {len(content):,}."]
    chunk.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert file_problems(atlas) == [f"{place} has changed."]
    chunk.unlink()
    assert file_problems(atlas) == [f"{place} is missing."]


def test_foreign_files_are_named_but_not_those_of_the_system_and_the_names(atlas):
    (atlas / "X" / "copy of data").write_text("x")
    (atlas / "X" / ".DS_Store").write_text("x")
    (atlas / "names.jsonl").write_text("")
    assert file_problems(atlas) == ["X/copy of data does not belong to the atlas."]


def test_reading_a_chunk_that_is_gone_is_an_error_and_no_zeros(atlas):
    for name in ("varm/ref_rows", "media/by_latent/rows", "layers/mean/data", "obsm/cls"):
        shutil.rmtree(atlas / name / "c")
    opened = open_atlas(atlas)
    for question in (
        lambda: opened.references(95),
        lambda: opened.column(95),
        lambda: opened.mean_rows([3]),
        lambda: opened.image_means(),
        lambda: opened.embedding("cls"),
        lambda: opened.lazy("obsm/cls")[:3],
        lambda: opened.to_anndata(),
    ):
        with pytest.raises(CytosaeError, match=r"is damaged: .*/c/0\S* is missing"):
            question()
    (atlas / CHECKSUMS).unlink()  # as an older atlas, read as Zarr reads it
    assert open_atlas(atlas).references(95)[0].row == 0


def test_a_chunk_that_cannot_be_decoded_is_a_sentence(atlas):
    for name in ("media/pictures/data", "varm/ref_rows", "X/data"):
        for chunk in (f for f in (atlas / name / "c").rglob("*") if f.is_file()):
            chunk.write_bytes(chunk.read_bytes()[:20])
    opened = open_atlas(atlas)
    for question in (
        lambda: opened.picture(0), lambda: opened.references(95), lambda: opened.matrix_rows("X", [1])
    ):  # fmt: skip
        with pytest.raises(CytosaeError, match="is damaged"):
            question()


def test_a_zip_has_the_same_record_and_its_damage_is_found(atlas, tmp_path):
    packed = pack(atlas, tmp_path / "a.zip")
    assert read_checksums(packed) == read_checksums(atlas)
    assert file_problems(packed) == []
    content = bytearray(packed.read_bytes())
    with zipfile.ZipFile(packed) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    middle = largest.header_offset + 200
    content[middle : middle + 100] = bytes(100)
    packed.write_bytes(content)
    (problem,) = file_problems(packed)
    assert problem.startswith(f"{largest.filename} cannot be read: Bad CRC-32")


def test_a_zip_that_lacks_a_chunk_is_found_and_not_read_as_zeros(atlas, tmp_path):
    packed, cut = pack(atlas, tmp_path / "a.zip"), tmp_path / "cut.zip"
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(cut, "w") as new:
        for name in old.namelist():
            if name != "varm/ref_rows/c/0/0":
                new.writestr(name, old.read(name))
    assert file_problems(cut) == ["varm/ref_rows/c/0/0 is missing."]
    with pytest.raises(CytosaeError, match="varm/ref_rows/c/0/0 is missing"):
        open_atlas(cut).references(95)


def test_without_patient_ids_the_record_speaks_of_the_new_files_and_launders_no_damage(atlas, tmp_path):
    names = tmp_path / "a.names.jsonl"
    names.write_text(json.dumps({"latent": 1, "name": "rods"}) + "\n")
    packed = pack(atlas, tmp_path / "a.zip", patient_ids=False)
    assert file_problems(packed) == []
    old, new = read_checksums(atlas), read_checksums(packed)
    assert new["X/data/c/0"] == old["X/data/c/0"]
    assert new["zarr.json"] != old["zarr.json"]
    assert any(name.startswith("obs/patient/") for name in new)
    (atlas / "X" / "data" / "c" / "0").write_bytes(b"broken")
    damaged = pack(atlas, tmp_path / "b.zip", patient_ids=False)
    assert file_problems(damaged)[0].startswith("X/data/c/0 has changed")


def test_a_damaged_record_is_a_sentence(atlas):
    for text in ("{", "[]", '{"algorithm": "md5", "files": {}}', '{"algorithm": "blake2b-128", "files": {"a": 1}}'):
        (atlas / CHECKSUMS).write_text(text)
        with pytest.raises(CytosaeError, match=r"checksums\.json of the atlas .* is damaged"):
            read_checksums(atlas)
