from __future__ import annotations

import gc
import subprocess
import sys
import threading

import pytest

from napari_cytosae import _imports


@pytest.fixture(autouse=True)
def as_it_was():
    yield
    gc.unfreeze()
    gc.enable()


def test_what_is_missing_is_imported_and_what_is_not_installed_left_out(monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)
    monkeypatch.setattr(_imports, "heavy_imported", threading.Event())
    monkeypatch.setattr("builtins.print", lambda *_: None)
    _imports.import_heavy(("no_such_library", "this"))
    assert "this" in sys.modules
    assert _imports.heavy_imported.is_set()


def test_what_is_there_is_not_touched(monkeypatch):
    monkeypatch.setattr(_imports, "collector_at_rest", None)
    _imports.import_heavy(("sys", "gc"))


def test_the_collector_rests_and_is_brought_back():
    collected = []
    gc.callbacks.append(lambda phase, info: collected.append(phase))
    try:
        with _imports.collector_at_rest():
            kept = [[i] for i in range(20_000)]
            assert collected == [] and not gc.isenabled()
    finally:
        gc.callbacks.pop()
    assert gc.isenabled() and gc.get_freeze_count() >= len(kept)
    _imports.look_again()
    assert gc.get_freeze_count() == 0


def test_a_collector_that_was_off_stays_off_whatever_happens():
    gc.disable()
    with pytest.raises(ZeroDivisionError), _imports.collector_at_rest():
        _ = 1 / 0
    assert not gc.isenabled()


def test_libraries_that_cannot_be_loaded_are_left_to_the_import():
    _imports.load_libraries(("no_such_library",))
    _imports.load_libraries(("c10",), package="no_such_package")


@pytest.mark.skipif(sys.platform == "win32", reason="there the package releases the lock itself")
def test_other_threads_go_on_while_pytorch_is_loaded():
    code = "; ".join(
        (
            "import sys, threading, time",
            "from napari_cytosae import _imports",
            "worker = threading.Thread(target=_imports.load_libraries, args=(_imports.TORCH,))",
            "worker.start()",
            "ticks = [time.thread_time() for _ in iter(lambda: time.sleep(0.001) or worker.is_alive(), False)]",
            "import torch",
            "print(len(ticks), 'torch' in sys.modules)",
        )
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert int(said[0]) > 20 and said[1] == "True"
