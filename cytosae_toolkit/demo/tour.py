"""The demonstration: generated smears → tokens → SAE → what its latents see, against known masks → patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

from cytosae_toolkit.demo.atlas import demo_atlas, draw_atlas, name_concepts
from cytosae_toolkit.demo.cohort import PatientDemonstration, PatientFinding
from cytosae_toolkit.demo.comparison import REPORTED, Demonstration
from cytosae_toolkit.demo.dataset import DatasetSpec, write_dataset
from cytosae_toolkit.demo.fields import generate_field
from cytosae_toolkit.demo.masks import MASKS, written
from cytosae_toolkit.demo.settings import Tour
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import read_json, write_json
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.training.run import Run
from cytosae_toolkit.training.session import train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cytosae_toolkit.atlas.reading import Atlas

__all__ = ["REPORTED", "Demonstration", "Finding", "Tour", "generate", "run_tour"]

SETTINGS = "settings.json"
FRESH_SEED = 1_000_003
REFERENCES = 4
IMAGES_PER_PATIENT = 12


@dataclass(frozen=True)
class Finding:
    """What the demonstration made.

    Parameters
    ----------
    out : Path
        Its folder.
    run : Run
        The trained SAE.
    table : pandas.DataFrame
        Localisation of the chosen unit of each kind in each mask, on fresh images.
    clearest : list of (int, str)
        The latent that fits each structure best, with the structure's name.
    atlas : Atlas
        Built on the smears that the SAE learned from.
    patients : PatientFinding
        Barcodes, classification, comparison, reports.
    files : list of Path
        Figures and tables.
    """

    out: Path
    run: Run
    table: pd.DataFrame
    clearest: list[tuple[int, str]]
    atlas: Atlas
    patients: PatientFinding
    files: list[Path]


def generate(tour: Tour, progress: Progress = SILENT) -> None:
    """Write the smears: images to learn from, fresh ones to report on, and one large field."""
    for name, n, seed in (("smears", tour.n_images, tour.seed), ("fresh", tour.n_fresh, tour.seed + FRESH_SEED)):
        folder = tour.out / name
        if (folder / "images.csv").is_file():
            continue
        spec = DatasetSpec(n_images=n, n_patients=max(1, n // IMAGES_PER_PATIENT), seed=seed)
        with progress.task(f"Generating {name}", n, "images") as task:
            write_dataset(folder, spec, progress=lambda done, total, task=task: task.advance())  # type: ignore[misc]
    field_image = generate_field(np.random.default_rng(tour.seed)).image
    Image.fromarray(field_image).save(tour.out / "field.png")


def run_tour(tour: Tour, *, progress: Progress = SILENT, stop: Callable[[], bool] = lambda: False) -> Finding:
    """Run the demonstration.

    Parameters
    ----------
    tour : Tour
        Settings.
    progress : Progress
        Where to report.

    Returns
    -------
    Finding
        What was made. The same seed gives the same result on the same machine.

    Raises
    ------
    CytosaeError
        If the folder exists and holds anything else, or the disk is full.
    """
    tour.out.mkdir(parents=True, exist_ok=True)
    _remember(tour)
    generate(tour, progress)
    run = train(tour.config(), resume=True, progress=progress, stop=stop)
    return describe(tour, run, demo_atlas(tour, run, progress=progress, stop=stop), progress)


def _remember(tour: Tour) -> None:
    """Note what the folder is made of, and refuse to go on with anything else."""
    path = tour.out / SETTINGS
    wanted = {
        "seed": tour.seed,
        "n_images": tour.n_images,
        "n_fresh": tour.n_fresh,
        "backbone": tour.backbone,
        "backbone_options": {name: str(value) for name, value in tour.backbone_options.items()},
    }
    if not path.exists():
        write_json(path, wanted)
    elif (found := read_json(path)) != wanted:
        name = next(name for name in wanted if found.get(name) != wanted[name])
        raise CytosaeError(
            f"The demonstration in {tour.out} was begun with {name} {found.get(name)!r}, not {wanted[name]!r}.",
            "Begin again with --force, or choose another --out.",
        )


def describe(tour: Tour, run: Run, atlas: Atlas, progress: Progress = SILENT) -> Finding:
    """Measure what the latents see, name the clearest, and draw the figures."""
    from cytosae_toolkit.figures.style import save_figure
    from cytosae_toolkit.figures.training import training_curves

    demonstration = Demonstration(tour, run, progress)
    with progress.task("Comparing latents with masks", 3, "figures") as task:
        table = demonstration.localise()
        task.advance()
        clearest = demonstration.clearest()
        files = save_figure(training_curves(run.metrics, run.evaluation), tour.out / "training.png", run.metrics)
        task.advance()
        files += save_figure(_montage(demonstration, clearest), tour.out / "concepts.png", dpi=130)
        name_concepts(atlas, clearest)
        files += draw_atlas(atlas, tour.out)
        task.advance()
    patients = _patients(tour, atlas, clearest, progress)
    table.to_csv(tour.out / "localisation.csv", index=False, float_format="%.4f")
    write_json(tour.out / "demo.json", {"seed": tour.seed, "clearest": [list(pair) for pair in clearest]})
    files += [tour.out / "localisation.csv", tour.out / "field.png"]
    return Finding(tour.out, run, table, clearest, atlas, patients, files)


def _patients(tour: Tour, atlas: Atlas, clearest: list[tuple[int, str]], progress: Progress) -> PatientFinding:
    auer = next((latent for latent, mask in clearest if mask == "auer_rods"), None)
    return PatientDemonstration(tour.out, atlas, auer, seed=tour.seed, progress=progress).run()


def _montage(demonstration: Demonstration, clearest: list[tuple[int, str]]) -> Figure:
    from cytosae_toolkit.figures.references import LatentRow, reference_montage

    references = demonstration.references([latent for latent, _ in clearest], REFERENCES)
    images, backbone = demonstration.chosen_on.images, demonstration.backbone
    rows = []
    for latent, mask in clearest:
        pictures = [images.read(row) for row, _ in references[latent]]
        rows.append(
            LatentRow(
                title=f"Latent {latent}",
                text=_caption(demonstration, latent, mask),
                images=pictures,
                heatmaps=[heatmap for _, heatmap in references[latent]],
                boxes=[backbone.patch_boxes(picture.shape) for picture in pictures],
            )
        )
    stamp = "generated smears"
    if demonstration.run.record["backbone"]["demonstration"]:
        stamp += ", demonstration backbone: no clinical meaning"
    return reference_montage(
        rows,
        title="What single latents see",
        footer=f"Images: {stamp}. Shares: on the images on which the latents were chosen.",
    )


def _caption(demonstration: Demonstration, latent: int, mask: str) -> str:
    overlap, column = demonstration.overlap, MASKS.index(mask)
    return (
        f"{written(mask)}: {100 * overlap.share_inside[latent, column]:.0f} % inside\n"
        f"(mask: {100 * overlap.area_share[column]:.1f} % of the area)\n"
        f"recall {100 * overlap.recall[latent, column]:.0f} %"
    )
