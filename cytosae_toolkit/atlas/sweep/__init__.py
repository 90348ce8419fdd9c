"""Many trainings from one file: a grid of SAEs over several seeds, resumable, and a table of what came of them."""

from __future__ import annotations

from cytosae_toolkit.atlas.sweep.grid import SweepFile, read_sweep, shipped_sweeps
from cytosae_toolkit.atlas.sweep.points import Point, SweepRun, expand, runs_of
from cytosae_toolkit.atlas.sweep.running import SweepWork, run_sweep
from cytosae_toolkit.atlas.sweep.table import SweepTables, write_tables

__all__ = [
    "Point",
    "SweepFile",
    "SweepRun",
    "SweepTables",
    "SweepWork",
    "expand",
    "read_sweep",
    "run_sweep",
    "runs_of",
    "shipped_sweeps",
    "write_tables",
]
