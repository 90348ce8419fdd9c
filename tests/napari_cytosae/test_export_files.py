import json

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.scene import Heat
from napari_cytosae._export_files import (
    About,
    Scaled,
    concept_table,
    write_heat_tiff,
    write_heat_zarr,
    write_montage,
    write_table,
)
from napari_cytosae._session import Session

HEAT = Heat(np.arange(6, dtype=np.float32).reshape(2, 3), (4.0, 8.0), (10.0, 20.0))
SCALED = Scaled((0.5, 0.5), (100.0, 200.0), "micrometer")
ABOUT = About(417, "granules (417)", "cell.png", 7.5, "cell")


def test_scale_and_place_of_a_map():
    size, first = SCALED.of_heat(HEAT)
    assert size == (5.0, 10.0)
    assert first == (100 + 0.5 * (4 + 5 - 0.5), 200 + 0.5 * (8 + 10 - 0.5))


def test_tiff_keeps_values_and_scale(tmp_path):
    write_heat_tiff(tmp_path / "h.tif", HEAT, ABOUT, SCALED)
    with tifffile.TiffFile(tmp_path / "h.tif") as file:
        assert np.array_equal(file.asarray(), HEAT.values) and file.pages[0].dtype == np.float32
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    assert (pixels["Pixels"]["PhysicalSizeY"], pixels["Pixels"]["PhysicalSizeX"]) == (5.0, 10.0)
    assert pixels["Pixels"]["PhysicalSizeXUnit"] == "µm"
    assert json.loads(pixels["Description"])["latent"] == 417


def test_zarr_keeps_values_and_scale(tmp_path):
    write_heat_zarr(tmp_path / "h.zarr", HEAT, ABOUT, SCALED)
    group = zarr.open_group(tmp_path / "h.zarr", mode="r")
    assert np.array_equal(group["0"][:], HEAT.values)
    image = group.attrs["ome"]["multiscales"][0]
    assert image["axes"][0] == {"name": "y", "type": "space", "unit": "micrometer"}
    scale, place = image["datasets"][0]["coordinateTransformations"]
    assert scale["scale"] == [5.0, 10.0] and place["translation"] == list(SCALED.of_heat(HEAT)[1])
    assert group.attrs["cytosae"]["full_scale"] == 7.5


def test_a_folder_that_is_no_zarr_stays(tmp_path):
    (tmp_path / "h.zarr").mkdir()
    (tmp_path / "h.zarr" / "mine.txt").write_text("x")
    with pytest.raises(CytosaeError, match="no Zarr"):
        write_heat_zarr(tmp_path / "h.zarr", HEAT, ABOUT, SCALED)
    assert (tmp_path / "h.zarr" / "mine.txt").exists()


def test_table_of_the_picture_else_of_the_atlas(session, cell_scene, atlas):
    session.show_flagged = True
    assert len(concept_table(session)) == atlas.d_sae
    session.show_flagged = False
    assert len(concept_table(session)) < atlas.d_sae
    session.show_flagged, session.hide_everywhere = True, False
    session.set_scene(cell_scene)
    assert concept_table(session).index.tolist() == cell_scene.latents(hide_everywhere=False).index.tolist()
    with pytest.raises(CytosaeError, match="no table"):
        concept_table(Session())


def test_a_spreadsheet_runs_nothing(tmp_path):
    write_table(tmp_path / "t.csv", pd.DataFrame({"name": ["=1+1", "ok", None], "value": [-1.5, 2, 3]}))
    found = pd.read_csv(tmp_path / "t.csv", index_col=0)
    assert found["name"].tolist()[:2] == ["'=1+1", "ok"] and found["value"].tolist() == [-1.5, 2, 3]


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_montage(atlas, tmp_path, suffix):
    write_montage(tmp_path / f"m{suffix}", atlas, [int(atlas.statistics["n_images"].argmax())])
    assert (tmp_path / f"m{suffix}").stat().st_size > 1000
