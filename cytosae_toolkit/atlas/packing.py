"""An atlas as one ZIP file that opens read-only elsewhere, on request without what identifies patients.

The ZIP holds the files of the atlas folder as they are (its chunks are compressed already), and its names file as
``names.jsonl``. Zarr's `ZipStore` reads it.

Without patient ids only what is listed in `KEPT_COLUMNS` is kept of the images as it is. Patients become
``patient 1`` …, groups ``group 1`` …, numbered in random order, so that the numbers tell nothing of the order of the
original ones; image ids become ``image 000000`` … by row; all other columns (paths, content keys, ages …) are left
out. Paths and sources are taken out of the records of the atlas and its run, and the original ids, patients and groups
out of texts. The pictures stay, the order of the rows stays, and labels, diseases, data sets and image sets
keep their names. ``checksums.json`` records the files as they are in the ZIP.
"""

from __future__ import annotations

import atexit
import json
import random
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.atlas.checksums import (
    CHECKSUMS,
    Checksums,
    checksums_of,
    checksums_text,
    read_checksums,
)
from cytosae_toolkit.atlas.names import names_path
from cytosae_toolkit.atlas.part import RUN_FILES
from cytosae_toolkit.atlas.storage import open_group, open_store, read_element, read_record
from cytosae_toolkit.atlas.writing import write_anndata
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_path, is_leftover

if TYPE_CHECKING:
    import pandas as pd

NAMES = "names.jsonl"
"""The names file within the ZIP."""

KEPT_COLUMNS = (
    "label", "disease", "dataset", "set", "fvu", "l0", "unlike", "nuclear_area", "nc_ratio", "cell_size",
)  # fmt: skip
"""Columns of `obs` that are kept without patient ids."""

_PARTS = ("X", "layers", "obs", "obsm", "obsp", "uns", "var", "varm", "varp", "media", "run")
_PRIVATE_KEYS = ("images", "source", "path", "out", "tokens", "token_store", "skipped", "map", "imported_from")
_PATH = re.compile(r"^([A-Za-z]:)?[\\/~.]|\\|^[^\s:]+/[^\s]+\.\w{1,12}$")
_SHORTEST = 3
"""Shorter ids, such as ``7``, are not looked for in free text: they would be found everywhere."""


def pack(atlas_path: Path, out_zip: Path, *, patient_ids: bool = True, force: bool = False) -> Path:
    """Write an atlas and its names as one ZIP file.

    Parameters
    ----------
    atlas_path : Path
        The folder.
    out_zip : Path
        ``NAME.zip``; appears when it is whole.
    patient_ids : bool
        Keep ids, paths, patients and groups; see above for what remains without.
    force : bool
        Replace an existing file.

    Returns
    -------
    Path
        The ZIP.

    Raises
    ------
    CytosaeError
        If the atlas is no folder or damaged, or the output exists, lies within the atlas or is no ``.zip``.
    """
    atlas_path, out_zip = Path(atlas_path), Path(out_zip)
    _check(atlas_path, out_zip, force=force)
    group = open_group(open_store(atlas_path), atlas_path)
    record = read_record(group, atlas_path)
    out_zip.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cytosae-pack-") as scratch, atomic_path(out_zip) as temporary:
        members = _members(atlas_path)
        if not patient_ids:
            obs = read_element(group, "obs", atlas_path)
            members = _without_ids(atlas_path, dict(members), obs, record, Path(scratch))
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, file in sorted(members, key=lambda member: (member[0] != "zarr.json", member[0])):
                _add(archive, name, file)
    return out_zip


def unpacked_names(path: Path) -> Path | None:
    """Return a temporary copy of the names file of a packed atlas, or None if it has none; removed at exit."""
    folder = Path(tempfile.mkdtemp(prefix="cytosae-names-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(path) as archive:
        if NAMES not in archive.namelist():
            return None
        with archive.open(NAMES) as source, (folder / NAMES).open("wb") as target:
            shutil.copyfileobj(source, target)
    return folder / NAMES


def _check(atlas_path: Path, out_zip: Path, *, force: bool) -> None:
    if atlas_path.is_file():
        raise CytosaeError(f"{atlas_path} is a file: an atlas folder is packed.", "Name the folder NAME.atlas.zarr.")
    if out_zip.suffix.lower() != ".zip":
        raise CytosaeError(f"{out_zip} does not end in .zip.", "Write --out NAME.zip.")
    if atlas_path.resolve() in out_zip.resolve().parents:
        raise CytosaeError(f"{out_zip} lies within the atlas that it would hold.", "Choose a place outside.")
    if out_zip.exists() and not force:
        raise CytosaeError(f"{out_zip} exists.", "Replace it with --force, or choose another --out.")


def _members(atlas_path: Path) -> list[tuple[str, Path]]:
    """Return name within the ZIP and place of every file of the atlas."""
    files = [file for file in atlas_path.rglob("*") if file.is_file() and not file.is_symlink()]
    members = [(f.relative_to(atlas_path).as_posix(), f) for f in files if not is_leftover(f)]
    names = names_path(atlas_path)
    return [*members, (NAMES, names)] if names.is_file() else members


def _add(archive: zipfile.ZipFile, name: str, file: Path) -> None:
    """Add a file with a fixed date: the same atlas gives the same bytes."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    entry.file_size = file.stat().st_size
    with file.open("rb") as source, archive.open(entry, "w") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _without_ids(
    atlas_path: Path, members: dict[str, Path], obs: pd.DataFrame, record: dict[str, Any], scratch: Path
) -> list[tuple[str, Path]]:
    """Replace all files that say who the patients are by files in `scratch` that do not."""
    import pandas as pd

    neutral, replacements = neutral_table(obs)
    documents = {
        name: json.loads(members[name].read_text(encoding="utf-8"))
        for name in (f"run/{file}" for file in RUN_FILES if file.endswith(".json"))
        if name in members
    }
    names = _lines(members[NAMES]) if NAMES in members else []
    clean = _cleaner(replacements, [record, documents, names])
    no_latents = pd.DataFrame(index=pd.Index([], dtype=str))
    write_anndata(scratch / "atlas", obs=neutral, var=no_latents, uns_record=_scrub(record, clean))
    kept = {name: file for name, file in members.items() if _is_kept(name)}
    kept |= {name: file for name, file in _members(scratch / "atlas") if _is_table(name)}
    kept["zarr.json"] = _write(
        scratch / "root.json", _merged_root(members["zarr.json"], scratch / "atlas" / "zarr.json")
    )
    for name, document in documents.items():
        kept[name] = _write(scratch / Path(name).name, json.dumps(_scrub(document, clean), indent=1))
    if (recorded := read_checksums(atlas_path)) is not None:
        kept[CHECKSUMS] = _write(scratch / CHECKSUMS, _exchanged(recorded, kept, members))
    if names:
        kept[NAMES] = _write(scratch / NAMES, "".join(_clean_line(line, clean) for line in names))
    return list(kept.items())


def _exchanged(recorded: Checksums, kept: dict[str, Path], members: dict[str, Path]) -> str:
    """Return the record of the files with that of the new ones; what is copied is trusted no more than before."""
    new = checksums_of((name, file) for name, file in kept.items() if members.get(name) != file)
    copied = {name: entry for name, entry in recorded.items() if _is_kept(name)}
    return checksums_text(copied | new)


def neutral_table(obs: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the table of images without what identifies anybody, and what replaced what.

    Parameters
    ----------
    obs : pandas.DataFrame
        The images; the index holds their ids.

    Returns
    -------
    table : pandas.DataFrame
        Columns of `KEPT_COLUMNS`, `patient` and `group` with neutral values, `path` and `key` empty, and neutral ids.
    replacements : dict of str to str
        From original ids, patients, groups, paths to their neutral names.
    """
    import pandas as pd

    neutral = obs[[name for name in KEPT_COLUMNS if name in obs]].copy()
    ids = [f"image {row:06d}" for row in range(len(obs))]
    replacements: dict[str, str] = {}
    if "path" in obs:
        for path, image in zip(obs["path"].astype(str), ids, strict=True):
            replacements |= {part: image for part in (path, Path(path).name, Path(path).stem) if part}
    replacements |= dict(zip(obs.index.astype(str), ids, strict=True))
    for column in ("group", "patient"):
        if column in obs:
            names = _neutral_names(obs[column].astype(object), column)
            neutral[column] = [names.get(str(value), "") for value in obs[column]]
            replacements |= names
    for column in ("path", "key"):
        if column in obs:
            neutral[column] = ""
    neutral.index = pd.Index(ids)
    public = {str(value) for name in ("label", "disease", "dataset", "set") if name in obs for value in obs[name]}
    return neutral, {text: name for text, name in replacements.items() if text not in public}


def _neutral_names(values: pd.Series[Any], word: str) -> dict[str, str]:
    different = sorted({str(value) for value in values.dropna() if str(value)})
    random.SystemRandom().shuffle(different)
    return {value: f"{word} {number}" for number, value in enumerate(different, start=1)}


def _cleaner(replacements: dict[str, str], documents: Any) -> Callable[[str], str]:
    """Return a function that replaces what identifies somebody in the texts of some documents."""
    everything = "\n".join(_texts(documents))
    found = [text for text in replacements if len(text) >= _SHORTEST and text in everything]
    if not found:
        return lambda text: text
    alternatives = "|".join(re.escape(text) for text in sorted(found, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)")
    return lambda text: pattern.sub(lambda match: replacements[match[0]], text)


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts within a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _scrub(value: Any, clean: Callable[[str], str]) -> Any:
    """Return JSON without sources of images, without folders of other paths, and with texts cleaned."""
    if isinstance(value, dict):
        return {key: _emptied(item) if key in _PRIVATE_KEYS else _scrub(item, clean) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrub(item, clean) for item in value]
    if isinstance(value, str):
        return clean(re.split(r"[\\/]", value)[-1] if _PATH.search(value) else value)
    return value


def _emptied(value: Any) -> Any:
    """Keep the kind of a private value, and numbers within it."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if isinstance(item, bool | int | float)}
    if isinstance(value, list):
        return []
    return "" if isinstance(value, str) else value


def _is_kept(name: str) -> bool:
    first, _, rest = name.partition("/")
    return first in _PARTS and not _is_table(name) and (first != "run" or rest == "sae.safetensors")


def _is_table(name: str) -> bool:
    """Say whether a file or node belongs to the tables that are written anew."""
    return name.split("/")[0] in ("obs", "uns")


def _merged_root(original: Path, neutral: Path) -> str:
    """Return the root metadata with the consolidated part about `obs` and `uns` exchanged."""
    root, other = (json.loads(path.read_text(encoding="utf-8")) for path in (original, neutral))
    nodes, new = (metadata["consolidated_metadata"]["metadata"] for metadata in (root, other))

    for name in [name for name in nodes if _is_table(name)]:
        del nodes[name]
    nodes.update({name: node for name, node in new.items() if _is_table(name)})
    return json.dumps(root, indent=2)


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the entries of the names file; damaged lines are left out."""
    entries = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def _clean_line(entry: dict[str, Any], clean: Callable[[str], str]) -> str:
    cleaned = {key: clean(item) if key in ("name", "note") else item for key, item in entry.items()}
    return json.dumps(cleaned, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
