"""Find the unreadable images of a table before hours of work meet them."""

from __future__ import annotations

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.decode import UnreadableImage
from cytosae_toolkit.images.parallel import Progress, map_threads
from cytosae_toolkit.images.table import ImageTable, Skipped


def check(
    table: ImageTable,
    *,
    strict: bool = False,
    workers: int | None = None,
    n_total: int | None = None,
    may_be_empty: bool = False,
    progress: Progress | None = None,
) -> tuple[ImageTable, list[Skipped]]:
    """Decode every image once, in threads, and leave the unreadable ones out.

    Parameters
    ----------
    table : ImageTable
        What to check.
    strict : bool
        Refuse instead of leaving out.
    workers : int, optional
        Number of threads.
    n_total : int, optional
        Images that the message counts, where `table` is only the part that needs checking.
    may_be_empty : bool
        Accept that no image is readable.
    progress : callable, optional
        Called with (images done, images in total).

    Returns
    -------
    table : ImageTable
        The readable rows; what was left out is also added to its `skipped`.
    skipped : list of Skipped
        The unreadable ones and why.

    Raises
    ------
    CytosaeError
        Some image is unreadable and `strict` is set, or none is readable (unless `may_be_empty`).
    """
    skipped: list[Skipped] = []
    good: list[int] = []
    reasons = map_threads(lambda i: _problem(table, i), range(len(table)), workers=workers)
    for i, reason in enumerate(reasons):
        if reason is None:
            good.append(i)
        else:
            skipped.append(Skipped(str(table.frame["path"].iat[i]), reason))
        if progress is not None:
            progress(i + 1, len(table))
    if skipped and (strict or not (good or may_be_empty)):
        raise _refusal(table, skipped, n_total or len(table), strict=strict)
    kept = table.subset(good)
    kept.skipped = (*kept.skipped, *skipped)
    return kept, skipped


def _problem(table: ImageTable, i: int) -> str | None:
    try:
        table.read(i)
    except UnreadableImage as error:
        return error.reason
    return None


def _refusal(table: ImageTable, skipped: list[Skipped], n_total: int, *, strict: bool) -> CytosaeError:
    shown = "; ".join(f"{item.path}: {item.reason}" for item in skipped[:5])
    more = f"; and {len(skipped) - 5} more" if len(skipped) > 5 else ""
    hint = "Replace or remove them"
    return CytosaeError(
        f"{len(skipped)} of {n_total} images of {table.source} cannot be read ({shown}{more}).",
        f"{hint}, or leave --strict out to skip them." if strict and len(skipped) < n_total else f"{hint}.",
    )
