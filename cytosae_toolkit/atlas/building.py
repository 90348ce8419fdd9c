"""Build an atlas: at once, in shards that are merged, or by adding an image set to one that exists."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from cytosae_toolkit.atlas.assembly import Assembly
from cytosae_toolkit.atlas.extending import AtlasSource
from cytosae_toolkit.atlas.part import Part
from cytosae_toolkit.atlas.plan import BuildPlan, Rules, parse_shard, prepare_images, with_sets
from cytosae_toolkit.atlas.reading import Atlas, open_atlas
from cytosae_toolkit.atlas.record import refuse_mismatch, sae_fingerprint
from cytosae_toolkit.atlas.sources import PartSource, Source
from cytosae_toolkit.atlas.streaming import build_part
from cytosae_toolkit.distributed import ALONE, Ranks
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import restore_replaced
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.training.image_fit import ImageFit

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.tokens import LiveView, TokenView
    from cytosae_toolkit.training.run import Run

SUFFIX = ".atlas.zarr"


@dataclass(frozen=True)
class Work:
    """How a build works; nothing of it changes the result.

    Parameters
    ----------
    device : str
        Where to compute.
    workers : int, optional
        Decoding threads.
    offline : bool
        Forbid downloads.
    token_options : mapping
        Passed to `cytosae_toolkit.tokens.token_source`: `store`, `no_store`, `strict`.
    progress : Progress
        Whom to tell.
    stop : callable
        Asked between blocks; True ends the work, and what is complete is kept.
    ranks : Ranks
        The processes that call `build_atlas` with the same arguments, but for the device; each builds a shard.
    """

    device: str = "auto"
    workers: int | None = None
    offline: bool = False
    token_options: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = SILENT
    stop: Callable[[], bool] = lambda: False
    ranks: Ranks = ALONE


def build_atlas(
    run: Run | str | Path,
    images: ImageTable | str | Path,
    out: str | Path,
    *,
    top: int = 10,
    aggregator: str = "count",
    aggregator_options: Mapping[str, Any] | None = None,
    set_name: str | None = None,
    resume: bool = False,
    force: bool = False,
    work: Work | None = None,
) -> Atlas:
    """Build the atlas of an SAE over an image set, in one pass over its tokens.

    Parameters
    ----------
    run : Run, str or Path
        A finished run; its SAE is copied into the atlas.
    images : ImageTable, str or Path
        Any images, or what `read_images` reads; unreadable ones are left out. Without the column `group`,
        near-duplicates are looked for.
    out : str or Path
        ``NAME.atlas.zarr``; appears when it is whole. While it is built, ``NAME.atlas.zarr.building`` lies beside it.
    top : int
        Reference images per latent and image set.
    aggregator : str
        From patches to the values in `X`; ``"count"`` is Eq. 2.
    aggregator_options : mapping, optional
        Its options, such as ``{"threshold": 0.2}``.
    set_name : str, optional
        Name of the image set; by default the column `dataset`, else the name of the source.
    resume : bool
        Go on with a build that was stopped.
    force : bool
        Begin again, and replace an atlas that exists.
    work : Work, optional
        Device, token store, progress.

    Returns
    -------
    Atlas

    Raises
    ------
    CytosaeError
        If `out` exists, another process builds it, the images or the run do not fit, or the disk is full.
    """
    out, work = _checked_out(out), work or Work()
    ranks = work.ranks
    with exclusive(out) if ranks.first else nullcontext():
        if ranks.first:
            _make_room(out, resume=resume, force=force)
        ranks.barrier()
        run = _opened(run)
        plan = BuildPlan(
            run, prepare_images(_table(images), set_name=set_name, workers=work.workers),
            Rules(top, aggregator, dict(aggregator_options or {})), (ranks.rank, ranks.size),
        )  # fmt: skip
        folders = part_folders(out, ranks.size)
        _stream(plan, folders[ranks.rank], work)
        ranks.barrier()
        if ranks.first:
            _finish(run, [Part(folder) for folder in folders], out, work.progress, replace=force)
        ranks.barrier()
    return open_atlas(out)


def _finish(run: Run, parts: Sequence[Part], out: Path, progress: Progress, *, replace: bool) -> None:
    """Join the parts of a build; images that can make no atlas leave nothing behind to go on with."""
    _check_parts(parts)
    with _or_nothing(building_folder(out)):
        assembly = assembly_of(run, _filled(parts), progress)
    assembly.write(out, replace=replace)
    shutil.rmtree(building_folder(out))


def _filled(parts: Sequence[Part]) -> Sequence[Part]:
    """Return the parts that have images; more shards than blocks leave some empty."""
    return [part for part in parts if len(part.images())] or parts


def build_shard(
    run: Run | str | Path,
    images: ImageTable | str | Path,
    out: str | Path,
    shard: Sequence[int],
    *,
    top: int = 10,
    aggregator: str = "count",
    aggregator_options: Mapping[str, Any] | None = None,
    set_name: str | None = None,
    resume: bool = False,
    force: bool = False,
    work: Work | None = None,
) -> Part:
    """Build one shard of an atlas into the folder `out`; `merge_parts` joins them. Arguments as `build_atlas`."""
    out, work = Path(out), work or Work()
    with exclusive(out):
        if out.exists() and force:
            shutil.rmtree(out)
        if out.exists() and not resume:
            raise CytosaeError(f"{out} exists already.", "Go on with --resume, or begin again with --force.")
        run = _opened(run)
        plan = BuildPlan(
            run, prepare_images(_table(images), set_name=set_name, workers=work.workers),
            Rules(top, aggregator, dict(aggregator_options or {})), parse_shard(shard),
        )  # fmt: skip
        return _stream(plan, out, work)


def merge_parts(
    parts: Sequence[str | Path], out: str | Path, *, force: bool = False, progress: Progress = SILENT
) -> Atlas:
    """Join the shards of one build into an atlas: the same, bit for bit, as built at once.

    Raises
    ------
    CytosaeError
        If shards are missing, not finished, or of different builds.
    """
    out = _checked_out(out)
    opened = sorted((Part(Path(path)) for path in parts), key=lambda part: part.shard)
    _check_parts(opened)
    with exclusive(out):
        _make_room(out, resume=True, force=force)
        run = _run_of(opened[0].path / "run")
        assembly_of(run, _filled(opened), progress).write(out, replace=force)
    return open_atlas(out)


def add_images(
    atlas: Atlas,
    images: ImageTable | str | Path,
    *,
    set_name: str | None = None,
    resume: bool = False,
    force: bool = False,
    work: Work | None = None,
) -> Atlas:
    """Put another image set beside those that an atlas has; the same as building it from all of them, in this order.

    Parameters
    ----------
    atlas : Atlas
        Not packed; replaced by the larger one when that is whole.
    images : ImageTable
        Images that it does not have yet.
    set_name, resume, work
        As in `build_atlas`.
    force : bool
        Begin again what was stopped.

    Raises
    ------
    CytosaeError
        If the atlas is packed or holds no images, or has some of these images or a set of this name already.
    """
    work = work or Work()
    if atlas.read_only:
        raise CytosaeError(f"{atlas.path} is packed and cannot grow.", "Add to the atlas that it was packed from.")
    run, table = atlas.run, _table(images)
    with exclusive(atlas.path):
        _refuse_known_sets(atlas, with_sets(table, set_name))
        _refuse_known_images(atlas, table, work.workers)
        folder = building_folder(atlas.path)
        _refuse_unfinished(folder, resume=resume, force=force)
        table = prepare_images(table, set_name=set_name, workers=work.workers)
        aggregator = atlas.record["aggregator"]
        plan = BuildPlan(run, table, Rules(int(atlas.record["top"]), _qualified(aggregator), aggregator["options"]))
        part = _stream(plan, folder, work)
        with _or_nothing(folder):
            grown = assembly_of(run, [part], work.progress, before=[AtlasSource(atlas)])
        grown.write(atlas.path, replace=True)
        shutil.rmtree(part.path)
    return open_atlas(atlas.path)


def building_folder(out: Path) -> Path:
    """Return where the blocks of an atlas that is being built lie."""
    return out.with_name(f"{out.name}.building")


def part_folders(out: Path, n: int) -> list[Path]:
    """Return where the parts of an atlas lie that `n` processes build together."""
    folder = building_folder(out)
    return [folder] if n == 1 else [folder / f"part-{i}-of-{n}" for i in range(n)]


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Let one process at a time build into a path.

    Raises
    ------
    CytosaeError
        If another one does.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out.with_name(f".{out.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CytosaeError(f"Another process is building {out}.", "Wait for it, or choose another --out.") from None
    try:
        restore_replaced(out)
        yield
    finally:
        lock.release()


def _checked_out(out: str | Path) -> Path:
    out = Path(out)
    if not out.name.endswith(SUFFIX) or out.name == SUFFIX:
        raise CytosaeError(f"{out} is not the name of an atlas.", f"Choose a name that ends in {SUFFIX}.")
    return out


def _make_room(out: Path, *, resume: bool, force: bool) -> None:
    if out.exists() and not force:
        raise CytosaeError(f"{out} exists already.", "Replace it with --force, or choose another --out.")
    _refuse_unfinished(building_folder(out), resume=resume, force=force)


def _refuse_unfinished(folder: Path, *, resume: bool, force: bool) -> None:
    if not folder.exists() or resume:
        return
    if not force:
        raise CytosaeError(
            f"A build was stopped here before: {folder}.", "Go on with --resume, or begin again with --force."
        )
    shutil.rmtree(folder)


def _stream(plan: BuildPlan, folder: Path, work: Work) -> Part:
    from cytosae_toolkit.devices import resolve_device
    from cytosae_toolkit.tokens import token_source
    from cytosae_toolkit.weights import show_downloads

    device = resolve_device(work.device)
    with work.ranks.in_turn(), show_downloads(work.progress):
        backbone = plan.run.backbone(device=device, offline=work.offline)
    options = {"dtype": plan.run.config.get("token_dtype", "float16")} | dict(work.token_options)
    if not options.get("no_store"):
        options["store"] = options.get("store") or plan.run.own_token_store

    def tokens(images: ImageTable, ranks: Ranks = ALONE) -> TokenView | LiveView:
        return token_source(
            images, backbone, plan.run.layer, demonstration=plan.run.demonstration, workers=work.workers,
            progress=work.progress, stop=work.stop, ranks=ranks, **options,
        )  # fmt: skip

    if work.ranks.size > 1 and not options.get("no_store"):
        tokens(plan.images, work.ranks)  # shared out evenly, and the same store as one process makes
    return build_part(
        plan, folder, backbone, tokens, device=device, workers=work.workers,
        progress=work.ranks.own_part(work.progress), stop=work.stop,
    )  # fmt: skip


@contextmanager
def _or_nothing(folder: Path) -> Iterator[None]:
    """Remove a folder of parts if no atlas can be made of them."""
    try:
        yield
    except CytosaeError:
        shutil.rmtree(folder)
        raise


def assembly_of(
    run: Run,
    parts: Sequence[Part],
    progress: Progress,
    before: Sequence[Source] = (),
) -> Assembly:
    """Return what assembles an atlas of complete parts."""
    plan = parts[0].plan
    grid, prefix = tuple(run.record["backbone"]["grid"]), int(run.record["backbone"]["prefix_tokens"])
    patch_size = tuple(plan["patch_size"])
    fit, d_sae = ImageFit.of_run(run), int(run.record["d_sae"])
    return Assembly(
        [*before, *(PartSource(part, d_sae, grid, fit) for part in parts)],
        run,
        grid=grid,
        patch_size=patch_size,
        prefix_tokens=prefix,
        top=int(plan["top"]),
        base={
            "sae_fingerprint": plan["sae_fingerprint"],
            "aggregator": plan["aggregator"],
            "threshold": plan["aggregator"]["options"].get("threshold"),
        },
        progress=progress,
    )


def _check_parts(parts: Sequence[Part]) -> None:
    first = parts[0]
    for part in parts[1:]:
        refuse_mismatch(f"{first.path} and {part.path}", part.plan["sae_fingerprint"], first.plan["sae_fingerprint"])
        for name in ("images", "top", "aggregator", "shards"):
            if part.plan[name] != first.plan[name]:
                raise CytosaeError(
                    f"{first.path} and {part.path} are shards of different builds: their {name} differ.",
                    "Merge shards of one build.",
                )
    found, count = [part.shard[0] for part in parts], first.shard[1]
    missing = sorted(set(range(count)) - set(found))
    if missing or len(found) != count:
        what = f"shards {', '.join(map(str, missing))} of {count} are missing" if missing else "a shard is given twice"
        raise CytosaeError(f"The parts do not make a whole: {what}.", "Name each shard once.")
    for part in parts:
        if not part.complete:
            raise CytosaeError(f"The shard {part.path} is not finished.", "Go on with its command and --resume.")


def _refuse_known_sets(atlas: Atlas, table: ImageTable) -> None:
    again = sorted(set(table.frame["set"]) & set(atlas.sets))
    if again:
        raise CytosaeError(
            f"The atlas {atlas.path} has an image set {again[0]!r} already.", "Name the new one with --set NAME."
        )


def _refuse_known_images(atlas: Atlas, table: ImageTable, workers: int | None) -> None:
    """Refuse images that the atlas has, before anything is computed: only their files are read."""
    known = atlas.images
    for column, values, what in (
        ("key", table.content_keys(workers=workers), "image"),
        ("id", table.ids.tolist(), "image id"),
    ):
        there = set(known[column].astype(str)) if column in known else set()
        again = [row for row, value in enumerate(values) if value and value in there]
        if again:
            such = f"such as {table.path(again[0]).name} (the same {what})"
            raise CytosaeError(
                f"{len(again)} of the {len(table)} images are in the atlas already, {such}.",
                "Leave them out, or build a new atlas of everything.",
            )


def _opened(run: Run | str | Path) -> Run:
    from cytosae_toolkit.training.run import load_run

    return load_run(run) if isinstance(run, str | Path) else run


def _table(images: ImageTable | str | Path) -> ImageTable:
    from cytosae_toolkit.images import read_images

    return read_images(images) if isinstance(images, str | Path) else images


def _qualified(record: Mapping[str, Any]) -> str:
    return f"{record['distribution']}/{record['name']}"


def _run_of(folder: Path) -> Run:
    from cytosae_toolkit.training.run import Run

    return Run(folder)


def check_belongs(atlas: Atlas, run: Run) -> None:
    """Refuse an atlas and a run of different SAEs; both fingerprints are named."""
    what = f"The atlas {atlas.path} and the run {run.path}"
    refuse_mismatch(what, atlas.record["sae_fingerprint"], sae_fingerprint(run))
