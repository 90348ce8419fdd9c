"""What a stopped build left is gone on with only as it was begun."""

from __future__ import annotations

import pytest

from cytosae_toolkit.atlas.build_folder import building_folder, part_folders, refuse_other_ranks
from cytosae_toolkit.errors import CytosaeError


def begin(folder):
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{}")


@pytest.mark.parametrize("n", [1, 2])
def test_the_same_number_of_processes_goes_on(tmp_path, n):
    out = tmp_path / "a.atlas.zarr"
    refuse_other_ranks(building_folder(out), n)
    for folder in part_folders(out, n):
        begin(folder)
    refuse_other_ranks(building_folder(out), n)


@pytest.mark.parametrize(
    ("before", "now", "message"), [(1, 2, "one process, now there are 2"), (4, 1, "4 processes .*, now there is 1")]
)
def test_another_number_of_processes_is_told(tmp_path, before, now, message):
    out = tmp_path / "a.atlas.zarr"
    begin(part_folders(out, before)[0])
    with pytest.raises(CytosaeError, match=message):
        refuse_other_ranks(building_folder(out), now)
