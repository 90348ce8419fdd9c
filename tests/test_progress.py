from __future__ import annotations

import pytest

from cytosae_toolkit.progress import SILENT, Stoppable, Stopped


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
