from __future__ import annotations

import pytest

from cytosae_toolkit.cli.progress import LineProgress
from cytosae_toolkit.progress import SILENT, Stoppable, Stopped, Suffixed


def test_work_stops_between_two_units():
    done = []
    progress = Stoppable(SILENT, stop=lambda: len(done) == 3)

    def work():
        with progress.task("Reading", 10, "images") as task:
            for i in range(10):
                done.append(i)
                task.advance()

    with pytest.raises(Stopped, match="--resume"):
        work()
    assert done == [0, 1, 2]


def test_nothing_happens_unless_asked(capsys):
    progress = Stoppable(SILENT, stop=lambda: False)
    with progress.task("Reading", 2, "images") as task:
        task.note("half")
        task.advance(2)
    progress.message("done")
    assert capsys.readouterr().out == ""


def test_a_share_of_the_work_says_whose_it_is():
    lines = []
    progress = Suffixed(LineProgress(write=lines.append), " (process 1 of 2)")
    with progress.task("Reading", 2, "images") as task:
        task.advance(2)
    progress.message("done")
    assert lines[0].startswith("Reading (process 1 of 2): 2/2 images")
    assert lines[-1] == "done"
