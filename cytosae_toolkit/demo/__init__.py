"""Generated blood smears with known ground truth: cells, fields, patients, laboratories, planted faults."""

from cytosae_toolkit.demo.canvas import View
from cytosae_toolkit.demo.cell_classes import CELL_CLASSES
from cytosae_toolkit.demo.cells import GeneratedCell, Scene, generate_cell, photograph_cell, sample_cell_scene
from cytosae_toolkit.demo.dataset import (
    COLUMNS,
    DatasetSpec,
    PlannedImage,
    plan_dataset,
    render,
    write_dataset,
)
from cytosae_toolkit.demo.faults import FAULT_NAMES, Faults
from cytosae_toolkit.demo.fields import Box, GeneratedField, generate_field
from cytosae_toolkit.demo.laboratories import LABORATORIES, Laboratory, find_laboratory, jitter
from cytosae_toolkit.demo.masks import MASKS, pack_masks, read_masks, unpack_masks
from cytosae_toolkit.demo.patients import DISEASES, Patient, sample_patients

__all__ = [
    "CELL_CLASSES",
    "COLUMNS",
    "DISEASES",
    "FAULT_NAMES",
    "LABORATORIES",
    "MASKS",
    "Box",
    "DatasetSpec",
    "Faults",
    "GeneratedCell",
    "GeneratedField",
    "Laboratory",
    "Patient",
    "PlannedImage",
    "Scene",
    "View",
    "find_laboratory",
    "generate_cell",
    "generate_field",
    "jitter",
    "pack_masks",
    "photograph_cell",
    "plan_dataset",
    "read_masks",
    "render",
    "sample_cell_scene",
    "sample_patients",
    "unpack_masks",
    "write_dataset",
]
