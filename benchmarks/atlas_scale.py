"""An atlas of 100,000 images and 49,152 latents: memory of building it, and times of using it.

python -m benchmarks.atlas_scale [--images 100000] [--latents 49152]

The images are synthetic (`benchmarks.synthetic_atlas`): decoding and encoding, which keep nothing from one image to
the next, are replaced by drawing; the pass over the images, the assembly and all reading are the real ones. Atlases of
a tenth, three tenths and all of the images are built. Every stage runs in a process of its own, and its peak memory is
that of the process. Files are read from the page cache.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import in_process

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas

SHARES = (0.1, 0.3, 1.0)
LOOKED_AT = 50
QUERIES = (
    'label:"cell type 03" precision>0.1 frequency>0.001', "entropy<2 AND NOT flag:any", "granule",
    "set:north mean>0.01",
)  # fmt: skip


def peak_megabytes() -> int:
    """Return the largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def stage_run(folder: Path, images: int, latents: int) -> dict[str, Any]:
    """Write the run."""
    from benchmarks.synthetic_atlas import write_run

    write_run(folder / "run", latents)
    return {}


def stage_stream(folder: Path, images: int, latents: int) -> dict[str, Any]:
    """Pass over the images."""
    from benchmarks.synthetic_atlas import image_table, stream_part
    from cytosae_toolkit.training.run import Run

    peaks: list[int] = []
    table = image_table(images, folder)
    start = time.perf_counter()
    stream_part(folder / "part", Run(folder / "run"), table, lambda: peaks.append(peak_megabytes()))
    return {"seconds": time.perf_counter() - start, "peak megabytes after a tenth": peaks[len(peaks) // 10]}


def stage_assemble(folder: Path, images: int, latents: int) -> dict[str, Any]:
    """Assemble the atlas of the part."""
    from cytosae_toolkit.atlas.building import assembly_of
    from cytosae_toolkit.atlas.part import Part
    from cytosae_toolkit.progress import SILENT
    from cytosae_toolkit.training.run import Run

    start = time.perf_counter()
    part = Part(folder / "part")
    assembly_of(Run(part.path / "run"), [part], SILENT).write(folder / "a.atlas.zarr")
    return {"seconds": time.perf_counter() - start}


def stage_use(folder: Path, images: int, latents: int) -> dict[str, Any]:
    """Open the atlas and use it."""
    start = time.perf_counter()
    import pandas
    import zarr

    from cytosae_toolkit import open_atlas

    imported = time.perf_counter()
    atlas = open_atlas(folder / "a.atlas.zarr")
    n = len(atlas.latents)
    opened = time.perf_counter()
    if n != latents:
        raise RuntimeError(f"{n} latents instead of {latents}")
    libraries = f"import of pandas {pandas.__version__}, zarr {zarr.__version__}"
    return {libraries: imported - start, "open_atlas and .latents": opened - imported} | _times(atlas)


def _times(atlas: Atlas) -> dict[str, float]:
    """Return times of first calls, and the median and largest of later ones, in seconds."""
    counts = atlas.latents["n_images"].to_numpy()
    live = (counts > 0).nonzero()[0]
    commonest, chosen = int(counts.argmax()), live[:: len(live) // LOOKED_AT][:LOOKED_AT].tolist()
    times = _of("search", lambda query: len(atlas.search(query)), [*QUERIES, *QUERIES, *QUERIES])
    times |= _of("references", lambda latent: _references(atlas, latent), [*chosen, commonest])
    rows = [reference.row for latent in chosen for reference in atlas.references(latent)][:LOOKED_AT]
    return times | _of("picture", lambda row: atlas.picture(row), rows) | _of("column", atlas.column, chosen)


def _references(atlas: Atlas, latent: int) -> int:
    """Ask for all that a page of a latent shows but pictures: references with values, and their heat maps."""
    references = atlas.references(latent)
    return sum(atlas.heatmap(latent, reference.row) is not None for reference in references)


def _of(name: str, function: Callable[[Any], Any], arguments: list[Any]) -> dict[str, float]:
    seconds = []
    for argument in arguments:
        start = time.perf_counter()
        function(argument)
        seconds.append(time.perf_counter() - start)
    later = sorted(seconds[1:])
    return {
        f"{name} first": seconds[0], f"{name} median": later[len(later) // 2], f"{name} largest": later[-1],
    }  # fmt: skip


STAGES: dict[str, Callable[[Path, int, int], dict[str, Any]]] = {
    "run": stage_run, "stream": stage_stream, "assemble": stage_assemble, "use": stage_use,
}  # fmt: skip


def in_its_own_process(stage: str, folder: Path, images: int, latents: int) -> Any:
    """Run a stage in a process of its own and return what it found."""
    size = ("--images", str(images), "--latents", str(latents))
    return in_process("benchmarks.atlas_scale", "--stage", stage, "--folder", str(folder), *size)


def show(found: dict[str, Any]) -> str:
    """Return one line of what a stage found."""
    return ", ".join(f"{name} {_written(value)}" for name, value in found.items())


def _written(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.0f} s" if value > 10 else f"{value:.2f} s" if value > 1 else f"{1000 * value:.1f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--latents", type=int, default=49_152)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        found = STAGES[arguments.stage](arguments.folder, arguments.images, arguments.latents)
        print(json.dumps(found | {"peak megabytes": peak_megabytes()}))
        return
    for share in SHARES:
        images = round(arguments.images * share)
        with tempfile.TemporaryDirectory() as folder:
            for stage in STAGES:
                found = in_its_own_process(stage, Path(folder), images, arguments.latents)
                print(f"{images:,} images, {stage}: {show(found)}", flush=True)


if __name__ == "__main__":
    main()
