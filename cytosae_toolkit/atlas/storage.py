"""Opening an atlas: a folder, or the ZIP that `atlas pack` makes; both read through Zarr."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cytosae_toolkit.atlas.part import RUN_FILES
from cytosae_toolkit.atlas.record import RECORD_KEY, check_record
from cytosae_toolkit.atlas.writing import quiet_zarr
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import restore_replaced

if TYPE_CHECKING:
    import pandas as pd


def open_store(path: Path) -> Any:
    """Return the Zarr store of an atlas.

    Parameters
    ----------
    path : Path
        A folder, or a ZIP file.

    Returns
    -------
    zarr.abc.store.Store
        Read-only; a chunk that is gone is an error.

    Raises
    ------
    CytosaeError
        If there is nothing, or something else.
    """
    from zarr.storage import LocalStore, ZipStore

    from cytosae_toolkit.atlas.whole_store import WholeStore

    restore_replaced(path)
    if path.is_dir():
        if not (path / "zarr.json").is_file():
            raise CytosaeError(f"{path} is not an atlas, or only half of one.", "Name one made by `atlas build`.")
        return WholeStore(LocalStore(path, read_only=True), path)
    if not path.exists():
        raise CytosaeError(f"The atlas {path} does not exist.")
    if not zipfile.is_zipfile(path):
        raise CytosaeError(
            f"{path} is not an atlas: neither a folder nor a ZIP file.", "Name one made by `atlas build`."
        )
    store = ZipStore(path, mode="r", read_only=True)
    store._sync_open()
    return WholeStore(store, path)


def open_group(store: Any, path: Path) -> Any:
    """Return the root group of an atlas, or say in one sentence why it cannot be read."""
    import zarr

    try:
        with quiet_zarr():
            return zarr.open_group(store, mode="r", zarr_format=3)
    except Exception as error:
        raise damaged(path, error) from error


def read_record(group: Any, path: Path) -> dict[str, Any]:
    """Return the record of an atlas.

    Raises
    ------
    CytosaeError
        If it is no atlas, of another version, or damaged.
    """
    try:
        with quiet_zarr():
            text = group[f"uns/{RECORD_KEY}/record"][()]
    except CytosaeError:
        raise
    except KeyError:
        raise CytosaeError(f"{path} is not an atlas of cytosae-toolkit.", "Name one made by `atlas build`.") from None
    except Exception as error:
        raise damaged(path, error) from error
    try:
        record = json.loads(str(text))
    except json.JSONDecodeError as error:
        raise damaged(path, error) from error
    return check_record(record, str(path))


def read_element(group: Any, name: str, path: Path) -> Any:
    """Return one element of the AnnData, such as ``var`` or ``varm/ref_rows``.

    Tables and arrays are read without importing anndata, which takes longer than reading them.
    """
    try:
        with quiet_zarr():
            return _read(group[name])
    except CytosaeError:
        raise
    except Exception as error:
        raise damaged(path, error) from error


def _read(node: Any) -> Any:
    """Return what AnnData's specification says that a node holds."""
    match node.attrs["encoding-type"]:
        case "array":
            return np.asarray(node[...])
        case "string-array":
            return node[...].astype(object)
        case "categorical":
            return _read_categorical(node)
        case "dataframe":
            return _read_table(node)
        case _:
            from anndata.io import read_elem

            return read_elem(node)


def _read_categorical(node: Any) -> Any:
    import pandas as pd

    return pd.Categorical.from_codes(node["codes"][...], _read(node["categories"]), ordered=bool(node.attrs["ordered"]))


def _read_table(node: Any) -> pd.DataFrame:
    import pandas as pd

    index = node.attrs["_index"]
    columns = {name: _read(node[name]) for name in node.attrs["column-order"]}
    return pd.DataFrame(columns, index=pd.Index(_read(node[index]), name=None if index == "_index" else index))


class CheckedArray:
    """A Zarr array whose damaged chunks are a sentence for the user; everything else is that of the array.

    Parameters
    ----------
    array : zarr.Array
        What is read.
    path : Path
        The atlas, for messages.
    """

    def __init__(self, array: Any, path: Path) -> None:
        self._array, self._path = array, path

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the array, such as its shape."""
        return getattr(self._array, name)

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return int(self._array.shape[0])

    def __getitem__(self, selection: Any) -> Any:
        """Read a part of the array.

        Raises
        ------
        CytosaeError
            If a chunk is missing or cannot be decoded.
        """
        try:
            return self._array[selection]
        except (CytosaeError, IndexError):
            raise
        except Exception as error:  # codecs raise anything
            raise damaged(self._path, error) from error


def damaged(path: Path, error: Exception) -> CytosaeError:
    """Return the error for an atlas of which something is missing or broken."""
    text = " ".join(str(error).split()) or type(error).__name__
    return CytosaeError(
        f"The atlas {path} is damaged: {text[:200]}.", "Build it again, or copy it again from where it came."
    )


def run_folder(path: Path) -> Path:
    """Return the folder of the run that an atlas carries; from a ZIP it is unpacked to a temporary folder.

    Raises
    ------
    CytosaeError
        If the atlas carries none.
    """
    folder = path / "run" if path.is_dir() else _unpacked_run(path)
    if not (folder / "config.json").is_file():
        raise CytosaeError(
            f"The atlas {path} carries no SAE: it was made from published statistics.",
            "Build one with `cytosae-toolkit atlas build RUN IMAGES`.",
        )
    return folder


def _unpacked_run(path: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cytosae-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        for name in RUN_FILES:
            if f"run/{name}" in names:
                with archive.open(f"run/{name}") as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    return folder
