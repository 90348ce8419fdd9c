"""Generated data sets on disk: pictures, masks and the image table."""

from __future__ import annotations

import csv
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from cytosae_toolkit.demo.cell_classes import CELL_CLASSES
from cytosae_toolkit.demo.cells import GeneratedCell, photograph_cell, sample_cell_scene
from cytosae_toolkit.demo.faults import NO_FAULTS, Faults, draw_faults
from cytosae_toolkit.demo.laboratories import LABORATORIES, find_laboratory
from cytosae_toolkit.demo.masks import pack_masks
from cytosae_toolkit.demo.patients import DISEASES, Patient, sample_patients
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_folder

COLUMNS: tuple[str, ...] = ("path", "id", "mask", "label", "patient", "disease", "dataset", "group")
"""The columns of `images.csv`; with faults in the pictures a column `planted` (names joined by +) follows."""

_PATIENTS, _CELLS, _SCENES, _PHOTOGRAPHS = range(4)


@dataclass(frozen=True)
class DatasetSpec:
    """What a generated data set holds.

    Attributes
    ----------
    n_images : int
        How many pictures.
    n_patients : int
        How many patients share them.
    seed : int
        Same seed, same bytes.
    size : int
        Width and height of the pictures in pixels; 25 µm whatever the size.
    rephotographed : float
        Share (0-1) of the pictures that show the cell before them once more: in any laboratory, or,
        where laboratories are confounded, in the patient's own.
    laboratories : sequence of str
        Names of the laboratories.
    diseases : sequence of str
        Names of the groups of patients.
    faults : Faults
        Planted faults; none by default.
    """

    n_images: int = 400
    n_patients: int = 20
    seed: int = 0
    size: int = 128
    rephotographed: float = 0.1
    laboratories: Sequence[str] = tuple(LABORATORIES)
    diseases: Sequence[str] = tuple(DISEASES)
    faults: Faults = NO_FAULTS

    def __post_init__(self) -> None:
        if self.n_images < 1 or not 1 <= self.n_patients <= self.n_images:
            raise CytosaeError(f"{self.n_images} images cannot be shared by {self.n_patients} patients.")
        if self.size < 32:
            raise CytosaeError(f"Pictures of {self.size} pixels are too small to show a cell.", "Take 32 or more.")
        if not 0 <= self.rephotographed < 1:
            raise CytosaeError(f"rephotographed is a share below 1, not {self.rephotographed}.")
        if not self.laboratories or not self.diseases:
            raise CytosaeError("A generated data set needs at least one laboratory and one disease.")
        for name in self.laboratories:
            find_laboratory(name)


@dataclass(frozen=True)
class PlannedImage:
    """One picture before it is painted; see `COLUMNS` for the first fields.

    Attributes
    ----------
    scene, shot : int
        Numbers of the scene and of the photograph: with the seed they fix every pixel.
    again : bool
        Whether it is a re-photograph.
    planted : tuple of str
        Its faults.
    """

    id: str
    label: str
    patient: str
    disease: str
    laboratory: str
    group: str
    scene: int
    shot: int
    again: bool
    planted: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where the picture lies, relative to the data set's folder."""
        return f"images/{self.patient}/{self.id}.png"

    @property
    def mask(self) -> str:
        """Where its mask lies, relative to the data set's folder."""
        return f"masks/{self.patient}/{self.id}.png"


def plan_dataset(spec: DatasetSpec) -> list[PlannedImage]:
    """Decide what every picture of a data set shows, without painting it.

    Parameters
    ----------
    spec : DatasetSpec
        What is wanted.

    Returns
    -------
    list of PlannedImage
        In the order of the table: patient by patient.
    """
    patients = sample_patients(
        spec.n_patients,
        _rng(spec.seed, _PATIENTS, 0),
        diseases=spec.diseases,
        laboratories=spec.laboratories,
        confounding=spec.faults.confounding,
    )
    shares = np.array_split(np.arange(spec.n_images), spec.n_patients)
    return [image for i, patient in enumerate(patients) for image in _plan_patient(spec, patient, i, shares[i])]


def _plan_patient(
    spec: DatasetSpec, patient: Patient, number: int, shots: np.typing.NDArray[np.int64]
) -> Iterator[PlannedImage]:
    rng = _rng(spec.seed, _CELLS, number)
    scene, label = -1, ""
    for n, shot in enumerate(shots):
        again = n > 0 and bool(rng.random() < spec.rephotographed)
        lab = str(rng.choice(spec.laboratories)) if again and not spec.faults.confounding else patient.laboratory
        if not again:
            scene, label = int(shot), str(rng.choice(CELL_CLASSES, p=patient.mixture))
        planted = draw_faults(spec.faults, lab, rng)
        name, group = f"{patient.name}-{n:04d}", f"{patient.name}-cell{scene:06d}"
        yield PlannedImage(name, label, patient.name, patient.disease, lab, group, scene, int(shot), again, planted)


def render(plan: PlannedImage, spec: DatasetSpec) -> GeneratedCell:
    """Paint one planned picture: depends on the plan and the seed alone, not on any other picture."""
    scene = sample_cell_scene(plan.label, _rng(spec.seed, _SCENES, plan.scene))
    return photograph_cell(
        scene,
        _rng(spec.seed, _PHOTOGRAPHS, plan.shot),
        laboratory=plan.laboratory,
        size=spec.size,
        again=plan.again,
        planted=plan.planted,
    )


def write_dataset(
    folder: str | Path,
    spec: DatasetSpec | None = None,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a generated data set: `images/`, `masks/` and the image table `images.csv`.

    Masks are 8-bit greyscale PNGs with one bit per mask; `read_masks` reads them.

    Parameters
    ----------
    folder : str or Path
        Where; must not exist yet. It appears when it is complete.
    spec : DatasetSpec, optional
        What is wanted; a small healthy default otherwise.
    workers : int
        Processes that paint. Any number gives the same bytes. More than one needs an importable main module.
    progress : callable (done, total), optional
        Told after every picture.

    Returns
    -------
    Path
        The image table.

    Raises
    ------
    CytosaeError
        If the folder exists or cannot be written.
    """
    folder, spec = Path(folder), spec or DatasetSpec()
    if folder.exists():
        raise CytosaeError(f"{folder} exists already.", "Choose another folder or remove it.")
    plans = plan_dataset(spec)
    with atomic_folder(folder) as temporary:
        for patient in {plan.patient for plan in plans}:
            (temporary / "images" / patient).mkdir(parents=True)
            (temporary / "masks" / patient).mkdir(parents=True)
        for done, _ in enumerate(_write_all(temporary, plans, spec, workers), start=1):
            if progress is not None:
                progress(done, len(plans))
        _write_table(temporary / "images.csv", plans, spec)
    return folder / "images.csv"


def _write_all(folder: Path, plans: list[PlannedImage], spec: DatasetSpec, workers: int) -> Iterable[None]:
    write = partial(_write_one, folder=folder, spec=spec)
    if workers <= 1:
        yield from map(write, plans)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(write, plans, chunksize=16)


def _write_one(plan: PlannedImage, *, folder: Path, spec: DatasetSpec) -> None:
    cell = render(plan, spec)
    Image.fromarray(cell.image).save(folder / plan.path, compress_level=3)
    Image.fromarray(pack_masks(cell.masks)).save(folder / plan.mask)


def _write_table(path: Path, plans: list[PlannedImage], spec: DatasetSpec) -> None:
    columns = [*COLUMNS, "planted"] if spec.faults.in_images else list(COLUMNS)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(_row(plan)[: len(columns)] for plan in plans)


def _row(plan: PlannedImage) -> list[str]:
    return [
        plan.path, plan.id, plan.mask, plan.label, plan.patient, plan.disease, plan.laboratory, plan.group,
        "+".join(plan.planted),
    ]  # fmt: skip


def _rng(seed: int, purpose: int, number: int) -> np.random.Generator:
    """Return the generator of one purpose and number: a child of the seed, whatever was drawn before."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, number)))
