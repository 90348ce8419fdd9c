"""What is being looked at: atlas, picture, patch, latents; widgets change it, and are told when it changed. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.explore.scene import Scene, Spot

SLOTS = 2
"""Latents that are shown at once."""


class Session:
    """The state of one viewer's dock.

    Everything here happens on the GUI thread and is fast; slow work (opening an atlas, reading a picture) runs in a job
    whose result is then handed to `set_source` or `set_scene`.

    Attributes
    ----------
    source_changed : Signal()
        Another atlas or run.
    scene_changed : Signal()
        Another picture was read, or none is shown any more.
    latent_changed : Signal(int)
        The latent of a slot, 0 or 1.
    spot_changed, pinned_changed : Signal()
        The patch under the cursor; the patch that was clicked.
    names_changed : Signal()
        Names, notes or verdicts.
    view_changed : Signal()
        τ, opacity, filters.
    """

    source_changed = Signal()
    scene_changed = Signal()
    latent_changed = Signal(int)
    spot_changed = Signal()
    pinned_changed = Signal()
    names_changed = Signal()
    view_changed = Signal()

    def __init__(self) -> None:
        self._explorer: Explorer | None = None
        self._atlas: Atlas | None = None
        self._scene: Scene | None = None
        self._no_model = ""
        self._latents: list[int | None] = [None] * SLOTS
        self._spot: Spot | None = None
        self._pinned: Spot | None = None
        self._threshold = 0.0
        self._opacity = 0.6
        self._heat_shown = True
        self._hide_everywhere = True
        self._show_flagged = False
        self.author = ""

    # What is open

    @property
    def explorer(self) -> Explorer | None:
        """The engine; None while nothing is open, or if the atlas carries no SAE (published statistics)."""
        return self._explorer

    @property
    def atlas(self) -> Atlas | None:
        """The atlas; None while nothing is open, or if a bare run is."""
        return self._atlas

    @property
    def scene(self) -> Scene | None:
        """The picture that was read."""
        return self._scene

    @property
    def no_model(self) -> str:
        """Why there is no explorer although the atlas carries an SAE; empty otherwise."""
        return self._no_model

    def set_source(self, explorer: Explorer | None, atlas: Atlas | None, no_model: str = "") -> None:
        """Show another atlas or run; picture, patch and latents are forgotten.

        Parameters
        ----------
        explorer : Explorer, optional
            The engine.
        atlas : Atlas, optional
            The atlas.
        no_model : str
            Why there is no explorer, where there should be one.
        """
        self._explorer, self._atlas, self._no_model = explorer, atlas, no_model
        self._forget_picture()
        self._latents = [None] * SLOTS
        self._threshold = 0.0
        self.source_changed.emit()
        self.scene_changed.emit()
        for slot in range(SLOTS):
            self.latent_changed.emit(slot)

    def set_scene(self, scene: Scene | None) -> None:
        """Show another picture, or none; the latents stay."""
        self._forget_picture()
        self._scene = scene
        self.scene_changed.emit()

    def _forget_picture(self) -> None:
        self._scene = None
        for name in ("_spot", "_pinned"):
            if getattr(self, name) is not None:
                setattr(self, name, None)
                (self.spot_changed if name == "_spot" else self.pinned_changed).emit()

    # What is asked about

    def latent(self, slot: int = 0) -> int | None:
        """Return the latent of a slot."""
        return self._latents[slot]

    def choose(self, latent: int | None, slot: int = 0) -> None:
        """Show a latent in a slot, or none."""
        if self._latents[slot] != latent:
            self._latents[slot] = latent
            self.latent_changed.emit(slot)

    @property
    def spot(self) -> Spot | None:
        """The patch under the cursor."""
        return self._spot

    @spot.setter
    def spot(self, spot: Spot | None) -> None:
        if spot != self._spot:
            self._spot = spot
            self.spot_changed.emit()

    @property
    def pinned(self) -> Spot | None:
        """The patch that was clicked."""
        return self._pinned

    @pinned.setter
    def pinned(self, spot: Spot | None) -> None:
        if spot != self._pinned:
            self._pinned = spot
            self.pinned_changed.emit()

    # How it is shown

    @property
    def threshold(self) -> float:
        """Activation up to which patches are not coloured."""
        return self._threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        self._set("_threshold", float(value))

    @property
    def opacity(self) -> float:
        """Of the heat maps, 0 to 1."""
        return self._opacity

    @opacity.setter
    def opacity(self, value: float) -> None:
        self._set("_opacity", float(value))

    @property
    def heat_shown(self) -> bool:
        """Whether heat maps are drawn."""
        return self._heat_shown

    @heat_shown.setter
    def heat_shown(self, value: bool) -> None:
        self._set("_heat_shown", bool(value))

    @property
    def shown_opacity(self) -> float:
        """With which heat maps are drawn: 0 while they are hidden."""
        return self._opacity if self._heat_shown else 0.0

    @property
    def hide_everywhere(self) -> bool:
        """Whether latents that fire on nearly every image are left out of lists."""
        return self._hide_everywhere

    @hide_everywhere.setter
    def hide_everywhere(self, value: bool) -> None:
        self._set("_hide_everywhere", bool(value))

    @property
    def show_flagged(self) -> bool:
        """Whether flagged latents (colour, position, set, few cells) are listed."""
        return self._show_flagged

    @show_flagged.setter
    def show_flagged(self, value: bool) -> None:
        self._set("_show_flagged", bool(value))

    def _set(self, name: str, value: float | bool) -> None:
        if getattr(self, name) != value:
            setattr(self, name, value)
            self.view_changed.emit()

    # What is known

    def full_scale(self, latent: int) -> float:
        """Return the activation at which a latent's colour is full: one scale per latent, whatever the picture.

        The largest activation over the atlas; without one, over the picture.
        """
        if self._atlas is not None:
            return float(self._atlas.statistics["max_activation"].iloc[latent]) or 1.0
        if self._scene is not None:
            return float(self._scene.heat(latent).values.max()) or 1.0
        return 1.0

    def describe(self, latent: int) -> str:
        """Return how a latent is called on screen: its name, or "candidate concept 417"."""
        name = self.names().get(latent, "")
        return f"{name} ({latent})" if name else f"candidate concept {latent}"

    def names(self) -> dict[int, str]:
        """Return the names of all named latents."""
        if self._atlas is None:
            return {}
        return {latent: note.name for latent, note in self._atlas.annotations.current().items() if note.name}

    def annotate(self, latents: Sequence[int], *, name: str, note: str = "", verdict: str = "") -> None:
        """Name latents; on disk at once.

        Raises
        ------
        CytosaeError
            If there is no atlas, or it is read-only.
        """
        from cytosae_toolkit.errors import CytosaeError

        if self._atlas is None:
            raise CytosaeError("Names belong to an atlas, and none is open.", "Open one.")
        self._atlas.annotations.add(list(latents), name=name, note=note, verdict=verdict, author=self.author)
        self.names_changed.emit()

    def undo_annotation(self) -> bool:
        """Take back the newest entry; return whether there was one."""
        if self._atlas is None:
            return False
        undone = bool(self._atlas.annotations.undo())
        if undone:
            self.names_changed.emit()
        return undone

    def visible(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table of latents (index: latent) without flagged ones, unless asked for, named or chosen."""
        if self._show_flagged or self._atlas is None or not len(table):
            return table
        statistics = self._atlas.statistics
        flags = [name for name in statistics.columns if name.startswith("flag_")]
        if not flags:
            return table
        wanted = table.index.isin([*self.names(), *(self.latent(slot) for slot in (0, 1))])
        return table[~statistics.loc[table.index, flags].any(axis=1).to_numpy() | wanted]
