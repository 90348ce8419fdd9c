"""The run and the atlases of whole numbers, for commands that need them."""

from __future__ import annotations

from ..atlas.conftest import cell_table, cells, whole_run, whole_run_folder
from ..cohort.conftest import atlas, cohort_atlas, cohort_images

__all__ = ["atlas", "cell_table", "cells", "cohort_atlas", "cohort_images", "whole_run", "whole_run_folder"]
