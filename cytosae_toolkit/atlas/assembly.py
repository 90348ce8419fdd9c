"""From sources to a finished atlas: statistics of latents range by range, matrices row by row, pictures, tables.

Nothing here holds more than one range of latents or one block of images, however many images there are; per image
only its row of the table and its embeddings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.accumulators import PatchSums, Positions
from cytosae_toolkit.atlas.blocks import Heats
from cytosae_toolkit.atlas.checksums import write_checksums
from cytosae_toolkit.atlas.columns import Columns
from cytosae_toolkit.atlas.control import FlagLimits
from cytosae_toolkit.atlas.facts import image_facts, join_images, obs_table
from cytosae_toolkit.atlas.gathering import ranges
from cytosae_toolkit.atlas.media import ByLatentWriter, HeatsWriter, PicturesWriter, write_sums
from cytosae_toolkit.atlas.part import copy_run
from cytosae_toolkit.atlas.plan import RESERVOIR
from cytosae_toolkit.atlas.positions import PatchTotals
from cytosae_toolkit.atlas.record import FORMAT, VERSION
from cytosae_toolkit.atlas.sampling import smallest_priorities
from cytosae_toolkit.atlas.sources import EMBEDDINGS, Source, join_entries, join_heats
from cytosae_toolkit.atlas.statistics import HISTOGRAM_EDGES, summarise
from cytosae_toolkit.atlas.writing import CSRWriter, RowsWriter, write_anndata
from cytosae_toolkit.files import atomic_folder
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.training.provenance import software_versions
from cytosae_toolkit.training.run import Run

ENTRIES_AT_ONCE = 500_000
LATENTS_AT_ONCE = 4096
UNLIKE_SET = 0.25
"""Share of unlike images from which a whole image set is called unlike the training images."""


@dataclass
class Collected:
    """Statistics of the latents done so far.

    Parameters
    ----------
    var : list of dict
        Columns of `var`, range by range.
    varm : list of dict
        Arrays of `varm`, range by range.
    """

    var: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    varm: list[dict[str, NDArray[Any]]] = field(default_factory=list)

    def var_table(self) -> pd.DataFrame:
        """Return `var`, all ranges."""
        table = pd.DataFrame({name: np.concatenate([part[name] for part in self.var]) for name in self.var[0]})
        table.index = table.index.astype(str)
        return table

    def varm_arrays(self) -> dict[str, NDArray[Any]]:
        """Return `varm`, all ranges."""
        return {name: np.concatenate([part[name] for part in self.varm]) for name in self.varm[0]}


class Assembly:
    """Assembles an atlas.

    Parameters
    ----------
    sources : sequence of Source
        Images in order.
    run : Run
        Whose SAE it is.
    grid, patch_size : tuple of int
        Of the backbone.
    prefix_tokens : int
        Of the backbone.
    top : int
        References per latent.
    base : dict
        What the record keeps of the plan: fingerprints, aggregator, threshold.
    progress : Progress
        Whom to tell.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        run: Run,
        *,
        grid: tuple[int, ...],
        patch_size: tuple[int, ...],
        prefix_tokens: int,
        top: int,
        base: dict[str, Any],
        progress: Progress = SILENT,
    ) -> None:
        self.sources, self.run, self.grid, self.patch_size = sources, run, grid, patch_size
        self.prefix_tokens, self.top, self.base, self.progress = prefix_tokens, top, base, progress
        self.d_sae = int(run.record["d_sae"])
        self.set_names = list(dict.fromkeys(name for source in sources for name in source.set_names))
        tables = [source.images() for source in sources]
        self.frame, self.arrays = join_images(tables)
        present = set(self.frame["set"])
        self.set_names = [name for name in self.set_names if name in present]
        self.facts = image_facts(self.frame, self.arrays, self.set_names)
        self.firsts = np.cumsum([0, *(len(table) for table, _ in tables)])[:-1].tolist()
        self.sums = PatchSums(self.d_sae, grid, len(self.set_names), float(base["threshold"] or 0.0))
        for source in sources:
            source.add_sums(self.sums, self.set_names)

    def write(self, out: Path, *, replace: bool = False) -> None:
        """Write the atlas; it appears, or takes the place of another, when it is whole."""
        with atomic_folder(out, replace=replace) as folder:
            collected = self._describe_all(folder)
            self._write_matrices(folder)
            self._write_pictures(folder)
            self._write_embeddings(folder)
            write_sums(folder, self.sums.arrays())
            copy_run(self.run, folder / "run")
            write_anndata(
                folder,
                obs=obs_table(self.frame, self.arrays, out.absolute()),
                var=collected.var_table(),
                obsm={"colour": self.arrays["colour"]},
                varm=collected.varm_arrays(),
                uns_record=self._record(),
            )
            write_checksums(folder)

    def _describe_all(self, folder: Path) -> Collected:
        collected = Collected()
        by_latent, heats = ByLatentWriter(folder), HeatsWriter(folder)
        with self.progress.task("Describing the latents", self.d_sae, "latents") as task:
            for first, stop in self._ranges():
                self._describe(first, stop, collected, by_latent, heats)
                task.advance(stop - first)
        by_latent.close()
        heats.close()
        return collected

    def _ranges(self) -> Iterator[tuple[int, int]]:
        """Cut the latents so that neither entries nor latents at once exceed their limits."""
        counts = np.sum([source.latent_counts() for source in self.sources], axis=0)
        first = 0
        while first < self.d_sae:
            within = np.cumsum(counts[first : first + LATENTS_AT_ONCE]) <= ENTRIES_AT_ONCE
            stop = first + max(1, int(within.sum()))
            yield first, stop
            first = stop

    def _describe(
        self, first: int, stop: int, collected: Collected, by_latent: ByLatentWriter, heats: HeatsWriter
    ) -> None:
        entries = join_entries([source.entries(first, stop) for source in self.sources], self.firsts, stop - first)
        columns = Columns(
            first, stop - first, len(self.facts), entries.indptr, entries.rows, entries.mean, entries.max,
            entries.value, entries.peak,
        )  # fmt: skip
        random = smallest_priorities(columns, self.facts, RESERVOIR)
        found = summarise(columns, self.facts, self._totals(first, stop), k=self.top, candidates=random)
        collected.var.append(found.var)
        collected.varm.append(found.varm)
        by_latent.append(entries)
        known = join_heats([source.heats(first, stop) for source in self.sources], self.firsts, stop - first)
        heats.append(chosen_heats(known, columns, random, found.varm))

    def _totals(self, first: int, stop: int) -> PatchTotals:
        positions = Positions(self.grid)
        return PatchTotals(
            position_sum=self.sums.position_sum[:, first:stop],
            grid=self.grid,
            shape=positions.shape,
            patches=np.bincount(positions.of_patch, minlength=int(np.prod(positions.shape))),
            square_sum=self.sums.square_sum(first, stop),
            active_patches=self.sums.active_patches[:, first:stop],
            active_tokens=self.sums.active_tokens[first:stop],
            n_images=self.sums.n_images,
            prefix_tokens=self.prefix_tokens,
        )

    def _write_matrices(self, folder: Path) -> None:
        shape = (len(self.facts), self.d_sae)
        large = sum(int(source.latent_counts().sum()) for source in self.sources) >= 2**31
        with ExitStack() as stack, self.progress.task("Writing values", shape[0], "images") as task:
            x = stack.enter_context(CSRWriter(folder, "X", shape, large=large))
            mean = stack.enter_context(CSRWriter(folder / "layers", "mean", shape, large=large))
            largest = stack.enter_context(CSRWriter(folder / "layers", "max", shape, large=large))
            for source in self.sources:
                for matrices in source.matrices():
                    for writer, matrix in zip((x, mean, largest), matrices, strict=True):
                        writer.append(matrix)
                    task.advance(matrices[0].shape[0])

    def _write_pictures(self, folder: Path) -> None:
        writer = PicturesWriter(folder)
        for source in self.sources:
            for offsets, data in source.pictures():
                writer.append(offsets, data)
        writer.close()

    def _write_embeddings(self, folder: Path) -> None:
        d_model = int(self.run.record["d_model"])
        with ExitStack() as stack:
            writers = {
                name: stack.enter_context(RowsWriter(folder / "obsm" / name, (d_model,), np.float32))
                for name in EMBEDDINGS
            }
            for source in self.sources:
                for arrays in source.embeddings():
                    for name, writer in writers.items():
                        writer.append(arrays[name])

    def _record(self) -> dict[str, Any]:
        share = self.sums.n_above / self.sums.n_active if self.sums.n_active else 0.0
        return self.base | {
            "format": FORMAT,
            "version": VERSION,
            "backbone_fingerprint": self.run.record["backbone"]["fingerprint"],
            "layer": self.run.layer,
            "d_model": int(self.run.record["d_model"]),
            "d_sae": self.d_sae,
            "grid": list(self.grid),
            "patch_size": list(self.patch_size),
            "prefix_tokens": self.prefix_tokens,
            "top": self.top,
            "histogram_edges": HISTOGRAM_EDGES.tolist(),
            "flag_limits": FlagLimits().record(),
            "kept_share": share if self.base["threshold"] is not None else None,
            "sets": [self._set_record(number, name) for number, name in enumerate(self.set_names)],
            "labels": sorted(self.facts.label_names),
            "demonstration": self.run.demonstration,
            "has_images": True,
            "skipped": [item for source in self.sources for item in source.skipped],
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "software": software_versions(),
        }

    def _set_record(self, number: int, name: str) -> dict[str, Any]:
        rows = self.facts.sets == number
        share = float(self.arrays["unlike"][rows].mean())
        return {
            "name": name,
            "n_images": int(rows.sum()),
            "n_groups": len(np.unique(self.facts.groups[rows])),
            "unlike_share": share,
            "unlike": share > UNLIKE_SET,
            "median_fvu": float(np.median(self.arrays["fvu"][rows])),
        }


def chosen_heats(known: Heats, columns: Columns, random: NDArray[np.bool_], varm: dict[str, NDArray[Any]]) -> Heats:
    """Return the heat maps to keep: those of all references and of the random images."""
    references = [values for name, values in varm.items() if name.partition(":")[0] == "ref_rows"]
    latent = np.concatenate([*(np.repeat(np.arange(len(r)), r.shape[1]) for r in references), columns.latent[random]])
    rows = np.concatenate([*(r.reshape(-1).astype(np.int64) for r in references), columns.rows[random]])
    wanted = (latent * columns.n_images + rows)[rows >= 0]
    owner = np.repeat(np.arange(columns.n_latents), np.diff(known.indptr))
    keep = np.isin(owner * columns.n_images + known.rows, wanted)
    lengths = np.diff(known.offsets)[keep]
    cells = ranges(known.offsets[:-1][keep], lengths)
    counts = np.bincount(owner[keep], minlength=columns.n_latents)
    return Heats(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        known.rows[keep],
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        known.patch[cells],
        known.activation[cells],
    )
