"""The demonstration's atlas: built on its smears, its clearest latents named, its figures drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cytosae_toolkit.atlas.building import Work, build_atlas
from cytosae_toolkit.atlas.reading import Atlas, open_atlas
from cytosae_toolkit.demo.masks import written
from cytosae_toolkit.demo.settings import Tour
from cytosae_toolkit.images import read_images
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cytosae_toolkit.training.run import Run

ATLAS = "demo.atlas.zarr"
AUTHOR = "demonstration"
THRESHOLD = 0.1
"""τ of the counts: latents of the demonstration backbone are weaker than those of the published SAE."""
LATENTS_SHOWN = 6
REFERENCES_SHOWN = 4


def demo_atlas(tour: Tour, run: Run, *, progress: Progress = SILENT, stop: Callable[[], bool] = lambda: False) -> Atlas:
    """Build the atlas of the generated smears, or open it where it is complete."""
    path = tour.out / ATLAS
    if path.exists():
        return open_atlas(path)
    images = read_images(tour.out / "smears" / "images.csv")
    work = Work(token_options={"store": tour.out / "tokens"}, progress=progress, stop=stop)
    return build_atlas(
        run, images, path, set_name="smears", aggregator_options={"threshold": THRESHOLD}, resume=True, work=work
    )


def name_concepts(atlas: Atlas, clearest: Sequence[tuple[int, str]]) -> None:
    """Name latents after the structure that they were measured to see; names that are there already stay."""
    named = atlas.annotations.current()
    for latent, mask in clearest:
        if latent not in named:
            note = "the generated structure that it fits best, by the masks"
            atlas.annotations.add([latent], name=written(mask), note=note, verdict="concept", author=AUTHOR)


def draw_atlas(atlas: Atlas, out: Path) -> list[Path]:
    """Draw all latents (`latents.png`), and one cell explained (`patch.png`), each with its numbers beside it."""
    from cytosae_toolkit.figures.latent_scatter import latent_scatter, scatter_numbers
    from cytosae_toolkit.figures.style import save_figure

    table = [("generated smears", atlas.latents)]
    files = save_figure(latent_scatter(table), out / "latents.png", scatter_numbers(table))
    return files + save_figure(explained_patch(atlas), out / "patch.png")


def explained_patch(atlas: Atlas) -> Figure:
    """Draw the patch at which the rarest named concept is strongest, and the latents that are active there."""
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.figures.attribution import patch_attribution
    from cytosae_toolkit.figures.montage import montage_rows

    named = sorted(atlas.annotations.current())
    rarest = min(named, key=lambda latent: atlas.statistics["density"][latent]) if named else 0
    best = atlas.references(rarest)[0]
    patch = divmod(max(best.peak, 0), atlas.grid[1])
    explorer = Explorer(atlas, device="cpu")
    image = explorer.load(atlas.original(best.row))
    found = explorer.top_latents(patch, n=LATENTS_SHOWN).index.tolist()
    return patch_attribution(
        image.image,
        image.boxes,
        [explorer.heatmap(latent) for latent in found],
        montage_rows(atlas, found, limit=REFERENCES_SHOWN, without={best.group}),
        patch=best.peak,
        title="What one patch contains",
        footer="Generated smears, demonstration backbone: no clinical meaning.",
    )
