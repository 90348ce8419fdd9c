"""The one error type that users meet."""

from __future__ import annotations


class CytosaeError(Exception):
    """A problem that the user can solve: what is wrong, where, and what to do.

    The command line prints it as one sentence and exits with code 2; `--debug` adds the traceback.

    Parameters
    ----------
    message : str
        One sentence that says what is wrong and where.
    hint : str, optional
        What to do about it; printed after the message.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message} {hint}")
        self.message = message
        self.hint = hint


class PluginError(CytosaeError):
    """A plugin is missing, broken, ambiguous or incompatible."""


class NotFiniteError(CytosaeError):
    """Tokens, losses or weights became NaN or infinite."""


def nearest(name: str, choices: list[str] | tuple[str, ...], n: int = 3) -> str:
    """Return a phrase that offers the valid names closest to a mistyped one.

    Parameters
    ----------
    name : str
        What the user wrote.
    choices : sequence of str
        The valid names.
    n : int
        How many to offer at most.

    Returns
    -------
    str
        ``"Did you mean a or b?"`` where something is close, else ``"Valid: a, b, c."``.
    """
    import difflib

    close = difflib.get_close_matches(name, choices, n=n, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Valid: {', '.join(choices)}." if choices else "There is none to choose from."


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an exception means that memory ran out, in Python or PyTorch (which is not imported).

    Parameters
    ----------
    error : BaseException
        `MemoryError`, `torch.OutOfMemoryError`, or the `RuntimeError` of PyTorch's CPU allocator.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
