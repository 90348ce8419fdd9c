from __future__ import annotations

import subprocess
import sys

import pytest
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.request import Request, check_request, open_source, picture_size

pytestmark = pytest.mark.usefixtures("no_loggers")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(latents=[3, 128]), "Latent 128 does not exist: there are 128"),
        (Request(patch=(2, 0)), "outside the grid of 2 rows and 2 columns"),
        (Request(region=(0, 0, 99, 9)), "The region cannot be used"),
        (Request(similar=True), "no images to compare with"),
    ],
)
def test_what_cannot_be_answered_is_refused(trained, request_, message):
    with pytest.raises(CytosaeError, match=message):
        check_request(trained.run, trained.table.path(0), request_)


def test_what_can_be_answered_is_not(trained, atlas):
    request = Request(latents=[127], patch=(1, 1), region=(0, 0, 32, 32))
    check_request(trained.run, trained.table.path(0), request)


def test_the_check_loads_no_model(trained):
    code = (
        "import sys; from pathlib import Path; from cytosae_toolkit.explore.request import *\n"
        "try: check_request(open_source(Path(sys.argv[1])), Path(), Request(latents=[128]))\n"
        "except Exception as error: print(type(error).__name__, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(trained.run.path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == [
        "CytosaeError",
        "False",
    ]


def test_a_run_is_opened_as_a_run(trained):
    assert open_source(trained.run.path).path == trained.run.path


def test_the_size_of_a_picture_and_of_a_tiff(tmp_path):
    for name in ("a.png", "a.tif"):
        Image.new("RGB", (20, 10)).save(tmp_path / name)
        assert picture_size(tmp_path / name) == (20, 10)
