"""Images are read as a token store and an atlas would see them."""

from __future__ import annotations

import json
import shutil
from threading import Thread

import numpy as np
import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.reading import ImageReader
from cytosae_toolkit.images.decode import decode
from cytosae_toolkit.training import load_run

pytestmark = pytest.mark.usefixtures("no_loggers")


@pytest.fixture
def reader(trained):
    return ImageReader(trained.run, device="cpu")


def test_an_image_may_be_a_file_a_box_of_it_or_pixels(trained, reader):
    path = trained.table.path(3)
    from_file, from_pixels = reader.load(path), reader.load(decode(path), name="mine")
    np.testing.assert_array_equal(from_file.tokens, from_pixels.tokens)
    assert (from_file.name, from_file.key) == (path.name, trained.table.content_key(3))
    assert (from_pixels.name, from_pixels.key) == ("mine", None)
    boxed = reader.load((path, (4, 6, 30, 20)))
    np.testing.assert_array_equal(boxed.image, decode(path)[6:20, 4:30])
    assert boxed.key not in (None, from_file.key)
    assert boxed.patch_box(0, 1) == (13.0, 0.0, 26.0, 7.0)


def test_many_images_at_once_equal_each_alone(trained, reader):
    pixels = [trained.table.read(row) for row in range(11)]
    together = list(reader.read_all(pixels, [f"image {row}" for row in range(11)]))
    assert [image.name for image in together] == [f"image {row}" for row in range(11)]
    for row, image in enumerate(together):
        np.testing.assert_array_equal(image.tokens, trained.tokens[row])


def test_how_well_the_image_fits(trained, reader, tmp_path):
    image = reader.load(trained.table.path(0))
    usual = reader.image_fit
    assert usual.fvu[0] <= image.fvu <= usual.fvu[-1]
    assert usual.l0[0] <= image.l0 <= usual.l0[-1]
    assert image.unlike is False
    old = shutil.copytree(trained.run.path, tmp_path / "old")
    evaluation = json.loads((old / "evaluation.json").read_text())
    del evaluation["image_fit"]
    (old / "evaluation.json").write_text(json.dumps(evaluation))
    unknown = ImageReader(load_run(old), device="cpu").load(trained.table.path(0))
    assert np.isnan(unknown.fvu)
    assert unknown.unlike is None
    assert unknown.l0 == image.l0


def test_threads_share_a_reader(trained, reader):
    results: dict[int, np.ndarray] = {}

    def work(row):
        image = reader.read(trained.table.path(row))
        results[row] = image.heatmap(1)

    threads = [Thread(target=work, args=(row,)) for row in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row in range(6):
        np.testing.assert_array_equal(results[row].reshape(-1), trained.h[row, 1:, 1])
    with pytest.raises(CytosaeError, match="No image is loaded"):
        reader.current  # noqa: B018 - reading does not make an image current
