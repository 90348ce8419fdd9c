from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore import Explorer
from cytosae_toolkit.explore.explanation import (
    _rows,
    atlas_maximum,
    box_mask,
    check_folder,
    latent_table,
    with_places,
    write_explanation,
)
from cytosae_toolkit.figures.references import LatentRow

pytestmark = pytest.mark.usefixtures("no_loggers")


@pytest.fixture
def session(atlas):
    atlas.has_images = False  # no reference images beside the figure
    return Explorer(atlas, device="cpu", everywhere=0.8)


@pytest.fixture
def image(session, trained):
    return session.load(trained.table.path(1))


def test_the_latents_of_the_image(session, image, trained):
    table = latent_table(session, image, top=5)
    assert table.index.tolist() == session.image_latents(5).index.tolist()
    assert {"mean", "max", "peak", "count", "name", "frequency"} <= set(table.columns)
    np.testing.assert_array_equal(table["count"], (trained.h[1, 1:][:, table.index] > 0.05).sum(axis=0))
    assert len(latent_table(session, image, top=None, everywhere=True)) > len(latent_table(session, image, top=None))


def test_the_latents_of_a_patch_and_of_a_region(session, image, trained):
    patch = latent_table(session, image, patch=(1, 1), top=3)
    np.testing.assert_array_equal(patch["activation"], trained.h[1, 4][patch.index])
    np.testing.assert_array_equal(patch["max"], trained.h[1, 1:].max(axis=0)[patch.index])
    region = latent_table(session, image, region=box_mask((0, 0, 16, 16), image.image.shape), top=3)
    assert {"score", "inside", "outside", "share_inside", "mean"} <= set(region.columns)


def test_given_latents_are_shown_active_or_not(session, image, trained):
    silent = int(np.flatnonzero(trained.h[1].max(axis=0) == 0)[0])
    table = latent_table(session, image, latents=[silent, 3, silent], patch=(0, 0))
    assert table.index.tolist() == [silent, 3]
    assert table.loc[silent, ["activation", "mean", "max", "peak", "count"]].tolist() == [0, 0, 0, -1, 0]
    assert table.loc[3, "activation"] == trained.h[1, 1, 3]
    with pytest.raises(CytosaeError, match="Latent 128 does not exist"):
        latent_table(session, image, latents=[128])


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (5, 5, 2, 9), (-1, 0, 5, 5), (0, 0, 33, 5)])
def test_a_region_outside_the_image_is_refused(box):
    with pytest.raises(CytosaeError, match="The region cannot be used: the box"):
        box_mask(box, (32, 32, 3))


def test_the_folder_of_an_explanation(session, image, tmp_path):
    out, table = tmp_path / "out", latent_table(session, image, top=3)
    similar = pd.DataFrame({"similarity": [0.5], "file": ["a.png"]}, index=pd.Index([3], name="row"))
    write_explanation(out, session, image, table, patch=(0, 1), region=(0, 0, 9, 9), similar=similar)
    names = [f"latent-{latent:05d}" for latent in sorted(table.index)]
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        "attribution.png",
        *(f"heatmaps/{name}.tif" for name in names),
        "latents.csv",
        *(f"overlays/{name}.png" for name in names),
        "similar.csv",
        "similar.png",
    ]
    for latent, name in zip(sorted(table.index), names, strict=True):
        with Image.open(out / "heatmaps" / f"{name}.tif") as heat:
            np.testing.assert_array_equal(np.asarray(heat), image.heatmap(latent))
    written = pd.read_csv(out / "latents.csv")
    assert written["latent"].tolist() == table.index.tolist()
    assert written["peak"].tolist() == [f"{peak // 2},{peak % 2}" for peak in table["peak"]]


def test_names_like_formulas_are_harmless_in_the_table(session, image, tmp_path):
    table = latent_table(session, image, latents=[5])
    write_explanation(tmp_path / "out", session, image, table)
    assert table["name"].tolist() == ["=pattern 5"]
    assert not pd.read_csv(tmp_path / "out" / "latents.csv")["name"][0].startswith("=")


def test_the_largest_of_a_latent_in_the_atlas(session, image, trained, atlas):
    assert atlas_maximum(session, 3) == pytest.approx(trained.h[:, 1:, 3].max())
    assert atlas_maximum(Explorer(trained.run, device="cpu"), 3) is None


def test_patches_are_written_as_row_and_column():
    table = pd.DataFrame({"peak": [0, 13, 26, -1]})
    assert with_places(table, (4, 14))["peak"].tolist() == ["0,0", "0,13", "1,12", ""]
    assert with_places(pd.DataFrame({"best": [1]}), (2, 2))["best"].tolist() == [1]


def test_the_image_is_no_reference_of_itself_and_means_say_whose_they_are(session, image, atlas, monkeypatch):
    asked = {}

    def rows_of(atlas, latents, *, limit, without):
        asked["without"] = without
        return [LatentRow(f"latent {latent}", "mean 0.01, on 5 %", [], [], []) for latent in latents]

    monkeypatch.setattr("cytosae_toolkit.figures.montage.montage_rows", rows_of)
    atlas.has_images = True
    table = latent_table(session, image, latents=[5])
    (first,) = _rows(session, image, table)
    assert asked["without"] == {"cell 0"}
    here, there = first.text.splitlines()
    assert here == f"here: mean {table['mean'].iloc[0]:.3g}, largest {table['max'].iloc[0]:.3g}"
    assert there == "atlas: mean 0.01, on 5 %"


def test_nothing_of_the_user_is_overwritten(session, image, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("precious")
    for force in (False, True):
        with pytest.raises(CytosaeError, match="exists and is not an explanation"):
            check_folder(mine, force=force)
    table = latent_table(session, image, latents=[5])
    write_explanation(tmp_path / "out", session, image, table)
    with pytest.raises(CytosaeError, match="Replace it with --force"):
        write_explanation(tmp_path / "out", session, image, table)
    write_explanation(tmp_path / "out", session, image, latent_table(session, image, latents=[6]), force=True)
    assert [path.name for path in (tmp_path / "out" / "heatmaps").iterdir()] == ["latent-00006.tif"]
