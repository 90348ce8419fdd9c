"""All concepts of the atlas as a table: searched at every keystroke, sorted by any column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSplitter, QVBoxLayout, QWidget

from cytosae_toolkit.atlas.query import QueryError, numbers_of, parse
from cytosae_toolkit.atlas.search_fields import Fields
from cytosae_toolkit.errors import CytosaeError
from napari_cytosae import _rows
from napari_cytosae._concept_list import ConceptList
from napari_cytosae._facts import facts_of, fires_everywhere
from napari_cytosae._filters import everywhere_box, flagged_box
from napari_cytosae._jobs import Job, JobProgress, run_job
from napari_cytosae._listening import Listening
from napari_cytosae._pieces import pause, plain_label
from napari_cytosae._search_line import SearchLine
from napari_cytosae._second import SecondConcept
from napari_cytosae._session import Session
from napari_cytosae._words import plain_words

if TYPE_CHECKING:
    from cytosae_toolkit.explore.scene import Scene

HERE = _rows.strength_column("on the strongest patch of this picture")
COLUMNS = (_rows.CONCEPT, HERE, _rows.FREQUENCY, _rows.LABEL, _rows.PURITY, _rows.STRENGTH)
N_ALIKE, N_LOOKED_AT = 12, 60
"""Neighbours that are shown, and that are looked at, as some may be flagged."""
PAUSE = 300
"""Milliseconds that a concept stays chosen before its neighbours are looked for."""


class ConceptTable(Listening, QWidget):
    """The table of all concepts with its search line, and the concepts nearest to the chosen one.

    Parameters
    ----------
    session : Session
        Hears which concept was chosen.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._fields = Fields(pd.DataFrame())
        self._here: NDArray[np.float64] = np.zeros(0)
        self._keys: dict[str, NDArray[np.float64]] = {}
        self.line = SearchLine(self._suggest)
        self.line.setPlaceholderText("Search, such as:  nucleus   label:blast   frequency>0.01   named:yes")
        self.line.setToolTip(
            "Words are looked for in names, notes and cell types. Fields are compared: mean>0.1 (pattern strength), "
            "frequency<0.2 (found in a share of cells), entropy<1 (cell-type purity), label:blast (best cells), "
            "flag:colour (doubtful: follows colour). A number, such as 417 or #417, is that of a concept."
        )
        self.said = plain_label()
        self.table = ConceptList(session, COLUMNS, empty="No concept is listed.")
        self.second = SecondConcept(session)
        self.nearest = NearestConcepts(session)
        self._lay_out()
        self._sort_by_header()
        self.line.textChanged.connect(self.refresh)
        self.listen(session.source_changed, self._read_source)
        self.listen(session.names_changed, self._read_names)
        self.listen(session.scene_changed, self._read_scene)
        self.listen(session.view_changed, self.refresh)

    def _lay_out(self) -> None:
        boxes = QHBoxLayout()
        boxes.addWidget(flagged_box(self.session))
        boxes.addWidget(everywhere_box(self.session))
        boxes.addStretch()
        upper = QWidget()
        layout = QVBoxLayout(upper)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.line, boxes, self.said, self.table, self.second):
            layout.addLayout(part) if isinstance(part, QHBoxLayout) else layout.addWidget(part)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.addWidget(upper)
        parts.addWidget(self.nearest)
        parts.setStretchFactor(0, 3)
        parts.setStretchFactor(1, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(4, 4, 4, 4)
        whole.addWidget(parts)

    def _sort_by_header(self) -> None:
        header = self.table.horizontalHeader()
        if header is not None:
            header.setSectionsClickable(True)
            header.setSortIndicatorShown(True)
            header.setSortIndicatorClearable(True)  # a third click: as nothing was chosen
            header.setSortIndicator(-1, Qt.SortOrder.DescendingOrder)
            header.sortIndicatorChanged.connect(self.refresh)

    # What is known

    def _read_source(self) -> None:
        self._keys = {}
        self._read_names()

    def _read_names(self) -> None:
        atlas = self.session.atlas
        n = len(facts_of(self.session))
        nothing = pd.DataFrame(index=pd.RangeIndex(n, name="latent"))
        self._fields = Fields(nothing if atlas is None else atlas.latents)
        if len(self._here) != n:
            self._here = np.full(n, np.nan)
        self._keys.pop("concept", None)
        self.refresh()

    def _read_scene(self) -> None:
        self._here = np.full(len(facts_of(self.session)), np.nan)
        self._keys.pop("value", None)
        self.refresh()
        scene = self.session.scene
        if scene is not None:
            run_job(self, lambda _: scene.latents(hide_everywhere=False), lambda found: self._show_here(scene, found))

    def _show_here(self, scene: Scene, found: pd.DataFrame) -> None:
        if self.session.scene is scene:
            self._here = np.zeros(len(self._here))
            self._here[found.index.to_numpy()] = found["max"].to_numpy()
            self._keys.pop("value", None)
            self.refresh()

    def _suggest(self, text: str, cursor: int) -> list[str]:
        from cytosae_toolkit.atlas.suggesting import suggest

        return suggest(self._fields.latents, text, cursor)

    # What is listed

    def refresh(self, *_: object) -> None:
        """Search and sort again; a query that is not understood leaves the list as it is and says why."""
        from cytosae_toolkit.atlas.searching import find

        try:
            found = find(self._fields, self.line.text(), hidden=self.session.show_flagged)
        except CytosaeError as error:
            self.said.setText(sentence_of(error))
            return
        latents = self._fields.numbers[found.rows]
        shown = latents[self._not_everywhere(latents)] if self.session.hide_everywhere else latents
        self._say(len(shown), found.n_hidden, len(latents) - len(shown), found.hint)
        self._show(self._sorted(shown))

    def _not_everywhere(self, latents: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which latents do not fire everywhere, or were asked for by number."""
        asked = np.isin(latents, numbers_of(parse(self.line.text())))
        return asked | ~fires_everywhere(self.session)[latents]

    def _say(self, n: int, flagged: int, everywhere: int, hint: str) -> None:
        parts = [f"{n:,} of {len(self._fields):,} concepts"]
        parts += ["strongest here first"] if self._by_here else []
        parts += [f"{flagged:,} doubtful ones hidden"] if flagged else []
        parts += [f"{everywhere:,} in nearly all cells hidden"] if everywhere else []
        self.said.setText(plain_words(hint) or "; ".join(parts))

    def _show(self, latents: NDArray[np.int64]) -> None:
        self.table.show_rows(latents, self._here[latents])

    def _sorted(self, latents: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return latents in the order of the header's column; what is undefined comes last either way.

        While no column was chosen: the best match first; without a query, the strongest in the picture first.
        """
        if self._by_here:
            return latents[np.argsort(-self._here[latents], kind="stable")]
        header, place = self.table.horizontalHeader(), self._column
        if header is None or place is None:
            return latents
        keys = self._key(COLUMNS[place].key)[latents]
        descending = header.sortIndicatorOrder() == Qt.SortOrder.DescendingOrder
        return latents[np.argsort(-keys if descending else keys, kind="stable")]

    @property
    def _column(self) -> int | None:
        """The column that was chosen to sort by."""
        header = self.table.horizontalHeader()
        place = -1 if header is None else header.sortIndicatorSection()
        return place if 0 <= place < len(COLUMNS) else None

    @property
    def _by_here(self) -> bool:
        """Whether the strongest in the picture come first: neither words nor a column say otherwise."""
        return self._column is None and not self.line.text().strip() and not np.isnan(self._here).all()

    def _key(self, column: str) -> NDArray[np.float64]:
        """Return what a column is sorted by, float64 [d_sae]; NaN comes last."""
        if column not in self._keys:
            facts = facts_of(self.session)
            if column == "concept":
                names = self.session.names()
                self._keys[column] = ranks(np.array([names.get(s, "") for s in range(len(facts))], dtype=object))
            elif column == "label":
                self._keys[column] = ranks(facts.label) + 0.5 * (1 - np.nan_to_num(facts.purity))  # the purest first
            else:
                self._keys[column] = self._here if column == "value" else getattr(facts, column)
        return self._keys[column]


class NearestConcepts(Listening, QWidget):
    """The concepts most like the chosen one; they are looked for in a thread.

    Parameters
    ----------
    session : Session
        Says which one.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._job: Job[pd.DataFrame] | None = None
        self._shown: tuple[object, int | None] = (None, None)
        self.title = QLabel("Most like the chosen concept")
        columns = (_rows.CONCEPT, _rows.ALIKE, _rows.FREQUENCY, _rows.LABEL)
        self.list = ConceptList(session, columns, empty="Choose one.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.title)
        layout.addWidget(self.list)
        self._pause = pause(self, PAUSE, self.look)
        self.listen(session.latent_changed, self._wait, 0)

    def _wait(self, slot: int) -> None:
        if slot == 0 and self._shown != (self.session.atlas, self.session.latent(0)):
            self._pause.start()

    def look(self) -> None:
        """Look for the neighbours of the chosen concept; an earlier search is given up."""
        if self._job is not None:
            self._job.cancel()
        latent, atlas = self.session.latent(0), self.session.atlas
        self._shown = (atlas, latent)
        self._say("")
        if latent is None or atlas is None:
            return

        def find(progress: JobProgress) -> pd.DataFrame:
            from cytosae_toolkit.atlas.similarity import similar

            return similar(atlas, latent, N_LOOKED_AT, progress=progress)

        self._say("Looking for concepts like it …")
        self._job = run_job(self, find, self._show, failed=self._say)

    def _say(self, text: str) -> None:
        self.list.empty = text
        self.list.show_rows((), ())

    def _show(self, found: pd.DataFrame) -> None:
        shown = self.session.visible(found.set_index("latent")).iloc[:N_ALIKE]
        alike = shown[["direction_cosine", "coactivation_cosine"]].mean(axis=1).clip(lower=0).to_numpy()
        self.list.empty = "No concept is like it."
        self.list.show_rows(shown.index.to_numpy(), alike)


def ranks(texts: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return places in alphabetical order without regard to case, float64 [n]; NaN for ""."""
    codes, values = pd.factorize(texts)
    folded = np.array([str(value).casefold() for value in values])
    places = np.unique(folded, return_inverse=True)[1].astype(np.float64)
    places[folded == ""] = np.nan
    return np.asarray(places[codes])


def sentence_of(error: CytosaeError) -> str:
    """Return why a query finds nothing, without the drawing that a terminal shows."""
    if isinstance(error, QueryError):
        hint = "" if error.advice is None else f" {error.advice}"
        return plain_words(f"At position {error.position + 1}, {error.problem}.{hint}")
    return plain_words(str(error))
