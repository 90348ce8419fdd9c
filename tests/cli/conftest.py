"""The run of whole numbers, for commands that need an atlas."""

from __future__ import annotations

from ..atlas.conftest import cell_table, cells, whole_run, whole_run_folder

__all__ = ["cell_table", "cells", "whole_run", "whole_run_folder"]
