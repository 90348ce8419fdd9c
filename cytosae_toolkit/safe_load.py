"""Reading weights that somebody else wrote: nothing in a file is ever executed.

Torch's own files are pickles. They are read with ``weights_only=True``, which builds tensors and containers
and refuses every other global. Published CytoSAE checkpoints also hold a configuration object of a class that
does not exist here; `load_with_inert_classes` reads its attributes through stand-ins that can do nothing.
"""

from __future__ import annotations

import pickle
import re
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from cytosae_toolkit.errors import CytosaeError

MAX_PICKLE_BYTES = 1 << 26
"""Largest pickle of a checkpoint, its tensors apart; real ones are below one megabyte."""

_WRAPPERS = ("state_dict", "model", "model_state_dict", "teacher")
_UNSUPPORTED = re.compile(r"GLOBAL ([\w.]+)")
_TRY_AGAIN = "Download it again, or give another file."


class InertObject:
    """What stands for an object of an unknown class: its attributes, and nothing that could run."""

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise pickle.UnpicklingError("the state of an unknown class is not a dictionary of attributes")
        self.__dict__.update(state)


class _InertType(type):
    """Stand-in classes: unpickling may make bare objects of them, but never call them."""

    def __call__(cls, *args: object, **kwargs: object) -> NoReturn:
        raise pickle.UnpicklingError(f"GLOBAL {cls.__module__}.{cls.__qualname__} would be called")


def _inert_class(path: str) -> type:
    """Return a new class that only bears the name of a global."""
    module, _, name = path.rpartition(".")
    return _InertType(name, (InertObject,), {"__module__": module, "__qualname__": name, "__new__": _bare})


def _bare(cls: type, *args: object) -> object:
    if args:
        raise pickle.UnpicklingError(f"GLOBAL {cls.__module__}.{cls.__qualname__} would be given arguments")
    return object.__new__(cls)


def load_torch_checkpoint(path: Path) -> dict[str, Any]:
    """Read a file that `torch.save` wrote: tensors and containers only.

    Parameters
    ----------
    path : Path
        ``.pth``, ``.pt`` or ``.bin``.

    Returns
    -------
    dict of str to object
        Tensors are on the CPU and, where the format allows, mapped from the file: clone what outlives it.

    Raises
    ------
    CytosaeError
        If the file is absent, truncated, no checkpoint, or asks for anything but tensors and containers.
    """
    path = Path(path)
    zipped = check_container(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped or None)
    except Exception as error:
        raise explain_unreadable(path, error) from error
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        raise CytosaeError(f"{path} holds a {type(content).__name__}, not named tensors.", _TRY_AGAIN)
    return dict(content)


def load_with_inert_classes(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a published CytoSAE checkpoint, ``{"cfg": object, "state_dict": tensors}``, as data.

    Every class that torch does not know is replaced by an empty stand-in of the same name, whose objects take
    attributes but can neither be called nor run code of the file or of an installed package.

    Parameters
    ----------
    path : Path
        The ``.pt`` file.

    Returns
    -------
    state : dict of str to torch.Tensor
        The `state_dict`; mapped from the file like `load_torch_checkpoint`'s.
    config : dict of str to object
        Attributes of the configuration object as JSON-like values; devices and dtypes as strings.

    Raises
    ------
    CytosaeError
        As `load_torch_checkpoint`, and if either part is missing.
    """
    path = Path(path)
    if not check_container(path):
        raise CytosaeError(f"{path} is in torch's format from before 2020.", "Save it again with a newer torch.")
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
        with torch.serialization.safe_globals([_inert_class(name) for name in names]):
            content = load_torch_checkpoint(path)
    except CytosaeError:
        raise
    except Exception as error:
        raise explain_unreadable(path, error) from error
    config = _plain(content.get("cfg", content.get("config")))
    if not isinstance(config, dict) or "state_dict" not in content:
        raise CytosaeError(f"{path} is no CytoSAE checkpoint: it needs `cfg` and `state_dict`.", _TRY_AGAIN)
    return _named_tensors(content["state_dict"], path), config


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read the weights of a network from a ``.safetensors`` file or a torch checkpoint.

    Parameters
    ----------
    path : Path
        The file; its content, not its suffix, decides how it is read.

    Returns
    -------
    dict of str to torch.Tensor
        Tensors by name, taken out of a usual wrapper such as ``state_dict``, ``model`` or ``teacher``;
        mapped from the file where its format allows.

    Raises
    ------
    CytosaeError
        If the file is absent, damaged, hostile, or holds anything but named tensors.
    """
    path = Path(path)
    if _magic(path)[8:9] == b"{":
        return _load_safetensors(path)
    content: object = load_torch_checkpoint(path)
    while isinstance(content, Mapping):
        wrapper = next((key for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if wrapper is None:
            break
        content = content[wrapper]
    return _named_tensors(content, path)


def fill_model(model: nn.Module, weights: Mapping[str, Tensor], source: str, ignore: Sequence[str] = ()) -> None:
    """Copy weights into a model; every tensor must be there, fit and be finite, and none may be left over.

    Parameters
    ----------
    model : torch.nn.Module
        Where they go; parameters keep their dtype and device.
    weights : mapping of str to torch.Tensor
        Under the model's own names.
    source : str
        What to call them in messages, such as the file's path.
    ignore : sequence of str
        Prefixes of names that may be left over, such as ``"head."``.

    Raises
    ------
    CytosaeError
        Naming the first tensor that is missing, of another shape, not finite, or left over.
    """
    wanted = model.state_dict()
    for name, tensor in wanted.items():
        _check_fits(name, tensor, weights.get(name), source)
    extra = [name for name in weights if name not in wanted and not name.startswith(tuple(ignore))]
    if extra:
        raise CytosaeError(
            f"{source} does not fit this network: it holds {extra[0]!r}, which the network does not have.",
            "Choose the network that the weights were saved from.",
        )
    model.load_state_dict({name: weights[name] for name in wanted})


def _check_fits(name: str, wanted: Tensor, found: Tensor | None, source: str) -> None:
    hint = "Choose the network that the weights were saved from."
    if found is None:
        raise CytosaeError(f"{source} does not fit this network: the tensor {name!r} is missing.", hint)
    if found.shape != wanted.shape:
        raise CytosaeError(
            f"{source} does not fit this network: {name!r} is {list(found.shape)}, but {list(wanted.shape)} is needed.",
            hint,
        )
    if found.is_floating_point() and not torch.isfinite(found).all():
        raise CytosaeError(f"{source} holds NaN or infinite values in {name!r}.", _TRY_AGAIN)


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(9)
    except FileNotFoundError:
        raise CytosaeError(f"The weights {path} do not exist.") from None
    except OSError as error:
        raise CytosaeError(f"The weights {path} cannot be read: {error.strerror}.") from error


def check_container(path: Path) -> bool:
    """Refuse what is no checkpoint before torch reads it; return whether it is a zip archive."""
    magic = _magic(path)
    if magic.startswith(b"PK\x03\x04"):
        _check_zip(path)
        return True
    if not magic.startswith(b"\x80") or tarfile.is_tarfile(path):
        what = "empty" if not magic else "no file of weights, neither safetensors nor torch"
        raise CytosaeError(f"{path} is {what}.", _TRY_AGAIN)
    return False


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CytosaeError(f"{path} is truncated or damaged.", _TRY_AGAIN) from error
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise CytosaeError(f"{path} is a compressed archive, which torch does not write.", _TRY_AGAIN)
    if any(entry.filename.endswith(".pkl") and entry.file_size > MAX_PICKLE_BYTES for entry in entries):
        raise CytosaeError(f"{path} has an absurdly large header.", _TRY_AGAIN)


def explain_unreadable(path: Path, error: Exception) -> CytosaeError:
    """Say in a sentence why torch refused a file."""
    found = _UNSUPPORTED.search(str(error)) if isinstance(error, pickle.UnpicklingError) else None
    if found:
        return CytosaeError(
            f"{path} asks for {found[1].rstrip('.')}, which is not data; nothing in it was executed.",
            "Use a file of tensors only, such as .safetensors, from a source that you trust.",
        )
    return CytosaeError(f"{path} is truncated, damaged or no file of weights.", _TRY_AGAIN)


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CytosaeError(f"{path} is truncated or no safetensors file.", _TRY_AGAIN) from error


def _named_tensors(content: object, path: Path) -> dict[str, Tensor]:
    """Check that everything is a dense tensor, and all together no larger than the file."""
    if not isinstance(content, Mapping) or not content:
        raise CytosaeError(f"{path} holds no named tensors.", _TRY_AGAIN)
    size = 0
    for name, tensor in content.items():
        dense = isinstance(tensor, Tensor) and tensor.layout is torch.strided and tensor.device.type == "cpu"
        if not isinstance(name, str) or not dense or tensor.is_quantized:
            raise CytosaeError(f"{path} holds something else than dense tensors: {str(name)!r}.", _TRY_AGAIN)
        size += tensor.numel() * tensor.element_size()
    if size > path.stat().st_size:
        raise CytosaeError(f"{path} claims tensors that are larger than the file.", _TRY_AGAIN)
    return dict(content)


def _plain(value: object, depth: int = 0) -> Any:
    """Turn what a checkpoint's configuration holds into JSON-like values."""
    if depth > 20:
        raise CytosaeError("The configuration in the checkpoint is nested too deeply.", _TRY_AGAIN)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, InertObject):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item, depth + 1) for item in value]
    return str(value).removeprefix("torch.") if isinstance(value, (torch.device, torch.dtype)) else repr(type(value))
