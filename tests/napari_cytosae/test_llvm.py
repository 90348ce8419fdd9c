from __future__ import annotations

import importlib
import sys

import pytest

from napari_cytosae import _llvm


@pytest.fixture
def maps(tmp_path, monkeypatch):
    monkeypatch.setattr(_llvm, "MAPS", tmp_path / "maps")
    monkeypatch.setitem(sys.modules, "triton", None)
    del sys.modules["triton"]
    return tmp_path / "maps"


def test_beside_the_llvm_of_mesa_triton_is_not_loaded(maps):
    maps.write_text("7f00-7f01 r-xp 00000000 00:00 0 /usr/lib/x86_64-linux-gnu/libLLVM-15.so.1\n")
    _llvm.keep_triton_out()
    with pytest.raises(ImportError):
        importlib.import_module("triton")


def test_without_it_triton_stays(maps):
    maps.write_text("7f00-7f01 r-xp 00000000 00:00 0 /usr/lib/libc.so.6\n")
    _llvm.keep_triton_out()
    assert "triton" not in sys.modules


def test_where_maps_are_not_told_nothing_changes(maps):
    _llvm.keep_triton_out()
    assert "triton" not in sys.modules
