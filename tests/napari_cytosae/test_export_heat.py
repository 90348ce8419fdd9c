import json

import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.heat import Heat
from napari_cytosae._export_heat import About, Concept, World, world_of, write_heat_tiff, write_heat_zarr
from napari_cytosae._geometry import place_heat
from napari_cytosae._pixels import picture_of

HEAT = Heat(np.arange(6, dtype=np.float32).reshape(2, 3), (4.0, 8.0), (10.0, 20.0))
OTHER = Heat(HEAT.values * 2, HEAT.origin, HEAT.cell)
WORLD = World(np.array([[5.0, 0, 100], [0, 10, 200], [0, 0, 1]]), "micrometer")
ABOUT = About(
    (Concept(417, "granules (417)", 7.5, "#E69F00"), Concept(9, "candidate concept 9", 2.0, "#56B4E9")),
    "cell.png", "cell",
)  # fmt: skip
TRANSFORMS = [
    {"scale": (0.5, 0.25), "translate": (3, -4)},
    {"scale": (0.5, 0.25), "translate": (3, -4), "rotate": 30},
    {"scale": (2, 3), "shear": [0.4]},
    {"scale": (0.5, 0.25), "affine": [[0, -2, 7], [1.5, 0.1, 9], [0, 0, 1]]},
]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_affine_says_where_the_overlay_lies(viewer, transform):
    layer = viewer.add_image(np.zeros((40, 70, 3), dtype=np.uint8), rgb=True, units="um", **transform)
    picture = picture_of(layer, viewer.dims)
    world = world_of(picture, HEAT)
    values, placement = place_heat(layer, picture.frame, HEAT)
    shown = Image(values, **placement.arguments())
    for row, column in ((0, 0), (1, 2), (-0.5, 2.5)):
        assert np.allclose((world.affine @ (row, column, 1))[:2], shown.data_to_world((row, column)))
    assert world.unit == "micrometer"
    assert world.straight is ("scale" in transform and len(transform) == 2 and "translate" in transform)


def test_a_plane_of_a_stack_and_a_coarser_level(viewer):
    stack = [np.zeros((3, 40, 70), dtype=np.uint8), np.zeros((3, 20, 35), dtype=np.uint8)]
    layer = viewer.add_image(stack, multiscale=True, scale=(5, 0.5, 0.25), translate=(1, 3, -4))
    picture = picture_of(layer, viewer.dims, most_pixels=1000)
    assert picture.frame.step == (2, 2)
    world = world_of(picture, HEAT)
    assert np.allclose(world.size, (10 * 2 * 0.5, 20 * 2 * 0.25))
    assert np.allclose(world.first, (3 + 0.5 * ((4 + 5) * 2 - 0.5), -4 + 0.25 * ((8 + 10) * 2 - 0.5)))


def test_without_a_layer_it_is_told_in_pixels():
    world = world_of(None, HEAT)
    assert (world.size, world.first, world.unit) == ((10, 20), (4 + 5 - 0.5, 8 + 10 - 0.5), "pixel")


def test_tiff_keeps_both_concepts_scale_and_affine(tmp_path):
    write_heat_tiff(tmp_path / "h.tif", [HEAT, OTHER], ABOUT, WORLD)
    with tifffile.TiffFile(tmp_path / "h.tif") as file:
        assert np.array_equal(file.asarray(), [HEAT.values, OTHER.values]) and file.pages[0].dtype == np.float32
        image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    pixels = image["Pixels"]
    assert (pixels["PhysicalSizeY"], pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (5.0, 10.0, "µm")
    assert [channel["Name"] for channel in pixels["Channel"]] == ["granules (417)", "candidate concept 9"]
    assert {(plane["PositionY"], plane["PositionX"]) for plane in pixels["Plane"]} == {(100.0, 200.0)}
    record = json.loads(image["Description"])
    assert record["affine"] == WORLD.affine.tolist() and [c["latent"] for c in record["concepts"]] == [417, 9]


def test_one_concept_reads_as_a_plane(tmp_path):
    write_heat_tiff(tmp_path / "h.tif", [HEAT], About(ABOUT.concepts[:1], "cell.png", "cell"), WORLD)
    assert np.array_equal(tifffile.imread(tmp_path / "h.tif").squeeze(), HEAT.values)


def test_zarr_keeps_both_concepts_scale_and_affine(tmp_path):
    write_heat_zarr(tmp_path / "h.zarr", [HEAT, OTHER], ABOUT, WORLD)
    group = zarr.open_group(tmp_path / "h.zarr", mode="r")
    assert np.array_equal(group["0"][:], [HEAT.values, OTHER.values])
    ome = group.attrs["ome"]
    assert [axis["name"] for axis in ome["multiscales"][0]["axes"]] == ["c", "y", "x"]
    assert ome["multiscales"][0]["axes"][1] == {"name": "y", "type": "space", "unit": "micrometer"}
    scale, place = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert (scale["scale"], place["translation"]) == ([1, 5, 10], [0, 100, 200])
    channel = ome["omero"]["channels"][0]
    assert (channel["label"], channel["color"], channel["window"]["end"]) == ("granules (417)", "E69F00", 7.5)
    assert group.attrs["cytosae"]["affine"] == WORLD.affine.tolist()


def test_a_folder_that_is_no_zarr_stays(tmp_path):
    (tmp_path / "h.zarr").mkdir()
    (tmp_path / "h.zarr" / "mine.txt").write_text("x")
    with pytest.raises(CytosaeError, match="no Zarr"):
        write_heat_zarr(tmp_path / "h.zarr", [HEAT, OTHER], ABOUT, WORLD)
    assert (tmp_path / "h.zarr" / "mine.txt").exists()
