"""The one pass over the images: tokens → latents → blocks of a part, resumable between two blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.accumulators import PatchSums
from cytosae_toolkit.atlas.blocks import write_block
from cytosae_toolkit.atlas.encoding import ImageEncoder
from cytosae_toolkit.atlas.gathering import Batch, BlockGatherer, ImageCodes, Seen, Trackers, look, numbered
from cytosae_toolkit.atlas.part import Part
from cytosae_toolkit.atlas.plan import BLOCK, RESERVOIR, BuildPlan
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import is_leftover
from cytosae_toolkit.images.parallel import map_threads, one_ahead
from cytosae_toolkit.progress import SILENT, Progress, Stopped, Task
from cytosae_toolkit.training.image_fit import ImageFit, TokenSpread

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable, Skipped
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.tokens import LiveView, TokenView
    from cytosae_toolkit.training.run import Run

SAVE_EVERY = 16
"""Blocks between two saves of the patch sums, which are as large as the SAE."""


def build_part(
    plan: BuildPlan,
    path: Path,
    backbone: Backbone,
    tokens: Callable[[ImageTable], TokenView | LiveView],
    *,
    device: str = "cpu",
    workers: int | None = None,
    progress: Progress = SILENT,
    stop: Callable[[], bool] = lambda: False,
) -> Part:
    """Build a part, or go on with it.

    Parameters
    ----------
    plan : BuildPlan
        What to build.
    path : Path
        Folder of the part; goes on where it exists.
    backbone : Backbone
        The run's, ready.
    tokens : callable
        From an image table to its tokens.
    device : str
        Where to encode.
    workers : int, optional
        Decoding threads.
    progress : Progress
        Whom to tell.
    stop : callable
        Asked after each block.

    Raises
    ------
    CytosaeError
        If the folder was begun with something else.
    """
    identity = plan.identity() | {"shard": plan.shard[0]}
    images = plan.images.subset(plan.rows)
    first = int(plan.rows[0]) if len(plan.rows) else 0
    more = {"first_row": first, "patch_size": list(backbone.patch_size)}
    part = open_part(path, identity) or Part.create(path, identity | more, images, plan.run)
    if part.complete:
        return part
    view = tokens(images)
    stream = Stream(plan, part, backbone, view, images, device, workers)
    stream.run(progress, stop)
    part.finish(_skipped(images, view.skipped))
    return part


def _skipped(images: ImageTable, skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    """Return what is recorded of unreadable images: path, reason and, where it is known, the patient."""
    patients: dict[str, str] = {}
    if skipped and images.has("patient"):
        for row, patient in enumerate(images.frame["patient"]):
            if patient is not None and not pd.isna(patient):
                patients |= {str(images.path(row)): str(patient), str(images.frame["path"].iat[row]): str(patient)}
    return [
        {"path": item.path, "reason": item.reason} | ({"patient": patients[item.path]} if item.path in patients else {})
        for item in skipped
    ]


def open_part(path: Path, identity: dict[str, object]) -> Part | None:
    """Return the part that was begun in a folder, or None where there is none.

    Raises
    ------
    CytosaeError
        If it was begun with something else.
    """
    if not (path / "plan.json").is_file():
        return None
    part = Part(path)
    for name, what in (
        ("sae_fingerprint", "SAE"), ("images", "set of images"), ("top", "--top"), ("aggregator", "aggregator"),
        ("shards", "number of shards"), ("shard", "shard"),
    ):  # fmt: skip
        if part.plan.get(name) != identity[name]:
            raise CytosaeError(
                f"{path} was begun with a different {what} ({part.plan.get(name)}, now {identity[name]}).",
                "Go on with the same input, or begin again with --force.",
            )
    return part


class Stream:
    """One pass over the images of a part."""

    def __init__(
        self,
        plan: BuildPlan,
        part: Part,
        backbone: Backbone,
        view: TokenView | LiveView,
        images: ImageTable,
        device: str,
        workers: int | None,
    ) -> None:
        self.part, self.backbone, self.view, self.images, self.workers = part, backbone, view, images, workers
        self.d_sae, self.d_model = int(plan.run.record["d_sae"]), int(plan.run.record["d_model"])
        self.positions = plan.rows[view.table_rows]
        self.n_sets = len(plan.set_names)
        self.codes = image_codes(images.subset(view.table_rows), plan.set_names, view.keys)
        aggregator, _ = plan.rules.make()
        self.encoder = ImageEncoder(
            plan.run.sae.to(device), aggregator, backbone.grid, backbone.prefix_tokens, token_spread(plan.run), device
        )
        self.threshold = float(getattr(aggregator, "threshold", 0.0))
        self.sums = PatchSums(self.d_sae, backbone.grid, self.n_sets, self.threshold)
        self.trackers = Trackers(self.d_sae, self.n_sets, plan.rules.top, RESERVOIR)

    def run(self, progress: Progress, stop: Callable[[], bool]) -> None:
        """Write the blocks that are missing."""
        blocks = list(numbered(self.positions, BLOCK))
        first = self._restore([number for number, _ in blocks])
        done = sum(len(rows) for number, rows in blocks if number < first)
        todo = [(number, rows) for number, rows in blocks if number >= first]
        with progress.task("Building the atlas", len(self.positions), "images", done=done) as task:
            seen, encoded = self._look(todo), one_ahead(self._encode(todo))
            for count, (number, rows) in enumerate(todo, start=1):
                self._write(number, len(rows), encoded, seen, task)
                if count % SAVE_EVERY == 0 or count == len(todo):
                    self.part.save_sums(self.sums, number + 1)
                if stop() and count < len(todo):
                    self.part.save_sums(self.sums, number + 1)
                    raise Stopped("Interrupted; what was complete is kept. The same command with --resume goes on.")

    def _restore(self, numbers: list[int]) -> int:
        """Take up the state after the newest saved sums; return the number of the first block to write."""
        for leftover in (self.part.path / "blocks").iterdir():
            if is_leftover(leftover):
                leftover.unlink()
        first = self.part.load_sums(self.sums)
        if first is None:
            return numbers[0] if numbers else 0
        rows = 0
        for number in numbers:
            if number < first:
                rows += self._replay(number, rows)
        return first

    def _replay(self, number: int, first_row: int) -> int:
        """Offer the entries of a finished block to the trackers again; return its number of images."""
        from cytosae_toolkit.atlas.blocks import BlockFile

        block = BlockFile(self.part.block_path(number))
        entries = block.entries()
        latent = np.repeat(np.arange(self.d_sae), np.diff(entries.indptr))
        order = np.argsort(entries.rows, kind="stable")
        rows = entries.rows.astype(np.int64)[order] + first_row
        self.trackers.offer(latent[order], rows, entries.mean[order], self.codes)
        return len(block.image_array("positions"))

    def _look(self, todo: list[tuple[int, NDArray[np.int64]]]) -> Iterator[Seen]:
        rows = (int(self.view.table_rows[row]) for _, places in todo for row in places)
        return map_threads(lambda row: look(self.images, row, self.backbone), rows, workers=self.workers)

    def _encode(self, todo: list[tuple[int, NDArray[np.int64]]]) -> Iterator[Batch]:
        """Read and encode all images, a few at a time and never those of two blocks."""
        for _, rows in todo:
            tokens, begin = self.view.read(rows), 0
            while begin < len(rows):
                own = rows[begin : begin + self.encoder.at_once]
                x = tokens[begin : begin + len(own)].astype(np.float32)
                positions = self.positions[own].tolist()
                yield Batch(own.tolist(), positions, x, self.encoder.encode(x, positions))
                begin += len(own)

    def _write(self, number: int, n: int, encoded: Iterator[Batch], seen: Iterator[Seen], task: Task) -> None:
        gatherer = BlockGatherer(self.backbone.prefix_tokens, self.trackers, self.sums, self.codes)
        while gatherer.n_images < n:
            batch = next(encoded)
            gatherer.add(batch, list(islice(seen, len(batch.rows))))
            task.advance(len(batch.rows))
        write_block(self.part.block_path(number), *gatherer.finish(self.d_sae, self.d_model))


def token_spread(run: Run) -> TokenSpread:
    """Return where training tokens lie; of a run that did not record it, such as an imported one, about b_dec."""
    fit = ImageFit.of_run(run)
    return TokenSpread(tuple(run.sae.b_dec.detach().tolist()), ()) if fit is None else fit.spread


def image_codes(images: ImageTable, set_names: Sequence[str], keys: Sequence[str]) -> ImageCodes:
    """Return numbers for sets, groups and images."""
    return ImageCodes(
        sets=np.array([set_names.index(name) for name in images.frame["set"]], dtype=np.int64),
        groups=pd.factorize(images.frame["group"])[0].astype(np.int64),
        keys=hashed_keys(keys),
    )


def hashed_keys(keys: Sequence[str]) -> NDArray[np.uint64]:
    """Return a number of 64 bits from each content key, whatever its form."""
    import hashlib

    digests = (hashlib.blake2b(key.encode(), digest_size=8).digest() for key in keys)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
