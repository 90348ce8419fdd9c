"""What is being looked at: atlas, picture, patch, latents; widgets change it, and are told when it changed. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from psygnal import Signal

from napari_cytosae._words import called

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.explore.scene import Scene, Spot

T = TypeVar("T")

SLOTS = 2
"""Latents that are shown at once."""


class Told(Generic[T]):
    """A value of a session; a signal tells when it has become another one.

    Parameters
    ----------
    default : object
        At first.
    signal : str
        Name of the session's signal.
    """

    def __init__(self, default: T, signal: str) -> None:
        self._default, self._signal = default, signal

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, session: None, owner: type) -> Told[T]: ...

    @overload
    def __get__(self, session: Session, owner: type | None = None) -> T: ...

    def __get__(self, session: Session | None, owner: type | None = None) -> Any:
        return self if session is None else vars(session).get(self._name, self._default)

    def __set__(self, session: Session, value: T) -> None:
        if value != self.__get__(session):
            vars(session)[self._name] = value
            getattr(session, self._signal).emit()


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

    spot: Told[Spot | None] = Told(None, "spot_changed")
    """The patch under the cursor."""
    pinned: Told[Spot | None] = Told(None, "pinned_changed")
    """The patch that was clicked."""
    threshold = Told(0.0, "view_changed")
    """Activation up to which patches are not coloured."""
    opacity = Told(0.6, "view_changed")
    """Of the heat maps, 0 to 1."""
    heat_shown = Told(True, "view_changed")
    """Whether heat maps are drawn."""
    hide_everywhere = Told(True, "view_changed")
    """Whether latents that fire on nearly every image are left out of lists."""
    show_flagged = Told(False, "view_changed")
    """Whether flagged latents (colour, position, set, few cells) are listed."""

    def __init__(self) -> None:
        self._explorer: Explorer | None = None
        self._atlas: Atlas | None = None
        self._scene: Scene | None = None
        self._no_model = ""
        self._latents: list[int | None] = [None] * SLOTS
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
        self.threshold = 0.0
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
        self.spot = self.pinned = None

    # What is asked about

    def latent(self, slot: int = 0) -> int | None:
        """Return the latent of a slot."""
        return self._latents[slot]

    def choose(self, latent: int | None, slot: int = 0) -> None:
        """Show a latent in a slot, or none."""
        if self._latents[slot] != latent:
            self._latents[slot] = latent
            self.latent_changed.emit(slot)

    # How it is shown

    @property
    def shown_opacity(self) -> float:
        """With which heat maps are drawn: 0 while they are hidden."""
        return self.opacity if self.heat_shown else 0.0

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
        return called(latent, self.names().get(latent, ""))

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
        if self.show_flagged or self._atlas is None or not len(table):
            return table
        statistics = self._atlas.statistics
        flags = [name for name in statistics.columns if name.startswith("flag_")]
        if not flags:
            return table
        wanted = table.index.isin([*self.names(), *(self.latent(slot) for slot in (0, 1))])
        return table[~statistics.loc[table.index, flags].any(axis=1).to_numpy() | wanted]
