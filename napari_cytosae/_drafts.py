"""What was typed and not saved: kept on disk, so that closing or a crash loses nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from napari_cytosae._recall import atlas_key, remember, remembered

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas


@dataclass(frozen=True)
class Draft:
    """What stands in the fields.

    Parameters
    ----------
    name, note, verdict : str
        As typed.
    """

    name: str = ""
    note: str = ""
    verdict: str = ""


class Drafts:
    """The drafts of one atlas, by latent.

    Parameters
    ----------
    atlas : Atlas
        Whose latents are named.
    """

    def __init__(self, atlas: Atlas) -> None:
        self._file = f"drafts-{atlas_key(atlas)}"

    def get(self, latent: int) -> Draft | None:
        """Return what was typed about a latent; None if nothing is unsaved."""
        return self._all().get(str(latent))

    def put(self, latent: int, draft: Draft | None) -> None:
        """Keep what was typed about a latent, or forget it.

        Raises
        ------
        CytosaeError
            If it cannot be written.
        """
        drafts = self._all()
        if drafts.get(str(latent)) == draft:
            return
        drafts.pop(str(latent), None)
        if draft is not None:
            drafts[str(latent)] = draft
        remember(self._file, {key: asdict(value) for key, value in drafts.items()})

    def _all(self) -> dict[str, Draft]:
        found = remembered(self._file)
        if not isinstance(found, dict):
            return {}
        return {str(key): _draft(value) for key, value in found.items() if isinstance(value, dict)}


def _draft(value: dict[str, object]) -> Draft:
    return Draft(*(str(value.get(name, "")) for name in ("name", "note", "verdict")))
