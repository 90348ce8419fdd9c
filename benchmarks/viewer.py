"""The viewer with 49,152 latents on this machine: from an action to the repainted window, against its goals.

python -m benchmarks.viewer [--images 2000] [--latents 49152]

The atlas is synthetic (`benchmarks.synthetic_atlas`), and so are the latents of the picture: twelve cells with tokens
of DinoBloom-B's sizes. All reading, searching and painting is the real one. The lists are painted off the screen; heat
maps need a napari window, which is opened under Xvfb (software rendering), or left out where that is not installed;
there "repainting alone" is what the window costs by itself. "Opening the atlas" is without the import of libraries,
files from the page cache; "window held up" is the largest gap between two ticks of a timer on the GUI thread, imports
of (compiled) libraries included.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.viewer_loading import stage_imports, stage_loading

if TYPE_CHECKING:
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.explore.scene import Part, Scene
    from napari_cytosae._session import Session

GOALS = {
    "switching latent": 50,
    "hover": 40,
    "search keystroke": 30,
    "opening the atlas": 2000,
    "scatter": 50,
    "window held up": 100,
    "sample": 60_000,
}
"""Milliseconds; by the start of the name of a measurement."""
SIDE, CELLS, ACTIVE = 224, (3, 4), 64
"""Pixels of a cell; rows and columns of cells; latents active on a token."""
TYPED = ("n", "nu", "nuc", "nucl", "nucle", "nucleu", "nucleus", "nucleus f", "label:03", "frequency>0.01", "")
ROUNDS = 3
XVFB = ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24"]
Times = dict[str, list[float]]


def build(folder: Path, images: int, latents: int) -> None:
    """Write the run and its atlas, with a few hundred names; the run says that it is DinoBloom-B's."""
    from benchmarks.synthetic_atlas import image_table, stream_part, write_run
    from cytosae_toolkit import open_atlas
    from cytosae_toolkit.atlas.building import assembly_of
    from cytosae_toolkit.atlas.part import Part
    from cytosae_toolkit.files import read_json, write_json
    from cytosae_toolkit.plugins import registry
    from cytosae_toolkit.progress import SILENT
    from cytosae_toolkit.training.run import Run

    run = write_run(folder / "run", latents)
    part = registry().get("backbone", "dinobloom-b")
    record = read_json(folder / "run" / "config.json")
    record["plugins"]["backbone"] = part.record(part.parse_options({}))
    write_json(folder / "run" / "config.json", record)
    stream_part(folder / "part", run, image_table(images, folder), lambda: None)
    assembly_of(Run(folder / "part" / "run"), [Part(folder / "part")], SILENT).write(folder / "a.atlas.zarr")
    open_atlas(folder / "a.atlas.zarr").annotations.add(list(range(0, latents, 150)), "nucleus of a blast")


def draw_scene(explorer: Explorer) -> Scene:
    """Return a picture of twelve cells with drawn latents."""
    from cytosae_toolkit.explore.scene import Scene

    rng, (rows, columns) = np.random.default_rng(0), CELLS
    parts = [draw_part(rng, explorer, SIDE * column, SIDE * row) for row in range(rows) for column in range(columns)]
    return Scene(explorer, "cells", (SIDE * rows, SIDE * columns), parts)


def draw_part(rng: np.random.Generator, explorer: Explorer, x: int, y: int) -> Part:
    """Return a cell whose tokens show latents as often as the atlas's images do."""
    from scipy import sparse

    from benchmarks.synthetic_atlas import D_MODEL, GRID, PREFIX, draw_picture
    from cytosae_toolkit.atlas.pictures import picture_boxes
    from cytosae_toolkit.explore.codes import ImageCodes
    from cytosae_toolkit.explore.image import LoadedImage
    from cytosae_toolkit.explore.scene import Part

    frequency = explorer.atlas.statistics["frequency"].to_numpy()
    n_tokens, patch = GRID[0] * GRID[1] + PREFIX, SIDE // GRID[0]
    cumulative = np.cumsum(frequency / frequency.sum())
    latent = np.searchsorted(cumulative, rng.random(n_tokens * ACTIVE) * cumulative[-1])
    token = np.repeat(np.arange(n_tokens), ACTIVE)
    values = rng.exponential(size=len(latent)).astype(np.float32)
    codes = ImageCodes(sparse.csr_array((values, (token, latent)), shape=(n_tokens, len(frequency))), PREFIX, GRID)
    tokens = rng.normal(size=(n_tokens, D_MODEL)).astype(np.float16)
    boxes = picture_boxes(GRID, (patch, patch))
    image = LoadedImage("drawn", draw_picture(rng), tokens, codes, boxes, None, 0.3, float(ACTIVE), False)
    return Part(image, (x, y, x + SIDE, y + SIDE))


def commonest(session: Session, n: int) -> list[int]:
    """Return latents that are active in the picture."""
    return session.scene.latents(n).index.tolist()


def measure(function: Callable[[Any], object], arguments: Iterable[Any]) -> list[float]:
    """Return milliseconds of calls, without the first, which warms up."""
    found = []
    for argument in arguments:
        start = time.perf_counter()
        function(argument)
        found.append(1000 * (time.perf_counter() - start))
    return found[1:]


def stage_lists(folder: Path) -> Times:
    """Open the atlas, and use table, scatter and lists, off the screen."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QApplication

    from cytosae_toolkit import open_atlas
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.explore.scene import Spot
    from napari_cytosae._ask import AskPanel
    from napari_cytosae._concepts import ConceptTable
    from napari_cytosae._scatter import ConceptScatter
    from napari_cytosae._session import Session

    app = QApplication([])
    start = time.perf_counter()
    session = Session()
    explorer = Explorer(open_atlas(folder / "a.atlas.zarr"), device="cpu")
    session.set_source(explorer, explorer.atlas)
    table = ConceptTable(session)
    show(table)
    opened = 1000 * (time.perf_counter() - start)
    session.show_flagged = True
    session.set_scene(draw_scene(explorer))
    scatter, panel = ConceptScatter(session), AskPanel(ViewerModel(), session)
    for widget in (scatter, panel):
        show(widget)

    def type_text(text: str) -> None:
        table.line.setText(text)
        app.processEvents()

    def hover(place: int) -> None:
        session.spot = Spot(place % 12, place % 16, place * 7 % 16)
        app.processEvents()

    def sort(place: int) -> None:
        table.table.horizontalHeader().setSortIndicator(place, table.table.horizontalHeader().sortIndicatorOrder())
        app.processEvents()

    return {
        "opening the atlas, until the table is painted": [opened],
        "search keystroke": measure(type_text, TYPED * ROUNDS),
        "sorting the table": measure(sort, list(range(6)) * ROUNDS),
        "hover, list of the patch's concepts": measure(hover, range(60)),
        "scatter, all points anew": measure(lambda _: (scatter._renew(), scatter.grab()), range(10)),
    }


def show(widget: Any) -> None:
    """Show a widget and let it be painted."""
    from qtpy.QtWidgets import QApplication

    widget.resize(460, 720)
    widget.show()
    QApplication.processEvents()
    QApplication.processEvents()


def stage_screen(folder: Path) -> Times:
    """Use heat maps and the patch under the cursor in a window, with the lists beside it."""
    import napari
    from qtpy.QtWidgets import QApplication

    from cytosae_toolkit import open_atlas
    from cytosae_toolkit.explore import Explorer
    from napari_cytosae._ask import AskPanel
    from napari_cytosae._hover import Hover
    from napari_cytosae._overlay import HeatLayers
    from napari_cytosae._pixels import picture_of
    from napari_cytosae._session import Session

    session, viewer = Session(), napari.Viewer(show=True)
    explorer = Explorer(open_atlas(folder / "a.atlas.zarr"), device="cpu")
    session.set_source(explorer, explorer.atlas)
    session.show_flagged = True
    scene = draw_scene(explorer)
    pixels = np.zeros((*scene.shape, 3), dtype=np.uint8)
    for part in scene.parts:
        x0, y0, x1, y1 = part.box
        pixels[y0:y1, x0:x1] = part.image.image
    layer = viewer.add_image(pixels, rgb=True)
    followers = heat, hover = HeatLayers(viewer, session), Hover(viewer, session)
    for follower in followers:
        follower.start()
        follower.show_on(picture_of(layer))
    session.set_scene(scene)
    viewer.window.add_dock_widget(AskPanel(viewer, session))
    drawn: list[object] = []
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(drawn.append, position="last")

    def until_drawn(action: Callable[[Any], object]) -> Callable[[Any], None]:
        def act(argument: Any) -> None:
            drawn.clear()
            action(argument)
            until = time.monotonic() + 1
            while not drawn and time.monotonic() < until:
                QApplication.processEvents()

        return act

    settle = time.monotonic() + 2
    while time.monotonic() < settle:
        QApplication.processEvents()
    places = [(16 + 31 * i % (scene.shape[0] - 32), 16 + 57 * i % (scene.shape[1] - 32)) for i in range(40)]
    found = {
        "repainting alone": measure(until_drawn(lambda _: canvas.update()), range(30)),
        "switching latent, until the window is repainted": measure(until_drawn(session.choose), commonest(session, 30)),
        "hover with outline, until the window is repainted": measure(until_drawn(hover.look), places),
    }
    heat.stop()
    hover.stop()
    viewer.close()
    return found


STAGES = {"lists": stage_lists, "screen": stage_screen, "imports": stage_imports, "loading": stage_loading}


def in_process(stage: str, folder: Path, before: list[str]) -> Times:
    """Run a stage in a process of its own and return what it measured."""
    command = [*before, sys.executable, "-m", "benchmarks.viewer", "--stage", stage, "--folder", str(folder)]
    left_out = ("QT_QPA_PLATFORM", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    found: Times = json.loads(output.splitlines()[-1])
    return found


def line(name: str, times: list[float]) -> str:
    """Return a row of the table."""
    goal = next((limit for start, limit in GOALS.items() if name.startswith(start)), None)
    median, largest = float(np.median(times)), max(times)
    verdict = "" if goal is None else "met" if largest <= goal else "met by most" if median <= goal else "MISSED"
    return f"{name:52} {median:8.1f} {largest:8.1f} {goal or '':>6} {verdict}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--latents", type=int, default=49_152)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        print(json.dumps(STAGES[arguments.stage](arguments.folder)), flush=True)
        os._exit(0)  # Qt objects are not to be torn down in the interpreter's order
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), arguments.images, arguments.latents)
        print(f"{arguments.latents:,} latents, {arguments.images:,} images, {os.cpu_count()} cores; milliseconds")
        print(f"{'':52} {'median':>8} {'largest':>8} {'goal':>6}")
        found = in_process("lists", Path(folder), [])
        if shutil.which("xvfb-run"):
            for stage in ("screen", "imports", "loading"):
                found |= in_process(stage, Path(folder), XVFB)
        for name, times in found.items():
            print(line(name, times))
        if not shutil.which("xvfb-run"):
            print("xvfb-run is not installed: switching latent and loading were not measured.")


if __name__ == "__main__":
    main()
