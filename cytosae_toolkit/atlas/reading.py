"""An atlas, opened: latents, images, references, pictures, names, search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.image_texts import ImageTexts
from cytosae_toolkit.atlas.matrix_reading import MatrixReader
from cytosae_toolkit.atlas.media import Media
from cytosae_toolkit.atlas.names import Annotations, names_path
from cytosae_toolkit.atlas.pictures import decode_picture, picture_boxes
from cytosae_toolkit.atlas.reference_reading import KINDS, Reference, ReferenceReader
from cytosae_toolkit.atlas.statistics import SET_STATISTICS
from cytosae_toolkit.atlas.storage import (
    CheckedArray,
    open_group,
    open_store,
    read_element,
    read_record,
    run_folder,
)
from cytosae_toolkit.errors import CytosaeError, nearest

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from scipy import sparse

    from cytosae_toolkit.training.run import Run


__all__ = ["Atlas", "Reference", "open_atlas"]


class Atlas:
    """Everything known about the latents of one SAE over one or more image sets.

    Parameters
    ----------
    path : Path
        ``NAME.atlas.zarr``, or the ZIP that `atlas pack` made of it (read-only).

    Raises
    ------
    CytosaeError
        If it is no atlas, of another version, or damaged.

    Attributes
    ----------
    path : Path
        Where it lies.
    record : dict
        What it says of itself; see docs/formats.md.
    media : Media
        Pictures, heat maps and values latent by latent.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._store = open_store(self.path)
        self._group = open_group(self._store, self.path)
        self.record: dict[str, Any] = read_record(self._group, self.path)
        self.media = Media(self._store, self.path)

    def __repr__(self) -> str:
        """Show path and size."""
        return f"Atlas({str(self.path)!r}, {self.d_sae:,} latents, {self.n_images:,} images)"

    @property
    def read_only(self) -> bool:
        """Whether it is packed: then names cannot be written."""
        return not self.path.is_dir()

    @property
    def d_sae(self) -> int:
        """Number of latents."""
        return int(self.record["d_sae"])

    @property
    def n_images(self) -> int:
        """Number of images."""
        return sum(int(entry["n_images"]) for entry in self.record["sets"]) if self.has_images else 0

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        rows, columns = self.record["grid"]
        return int(rows), int(columns)

    @property
    def sets(self) -> list[str]:
        """Names of the image sets."""
        return [str(entry["name"]) for entry in self.record["sets"]]

    @property
    def has_images(self) -> bool:
        """Whether it knows single images; published statistics do not."""
        return bool(self.record["has_images"])

    @cached_property
    def statistics(self) -> pd.DataFrame:
        """Statistics of each latent, without names; row s is latent s. Mean activations of each set stand beside."""
        import pandas as pd

        frame: pd.DataFrame = read_element(self._group, "var", self.path)
        frame.index = pd.RangeIndex(len(frame), name="latent")
        for name in self.sets if self.has_images else ():
            frame[f"mean_activation:{name}"] = self.varm(f"stats:{name}")[:, 0]
        return frame

    @property
    def latents(self) -> pd.DataFrame:
        """Statistics of each latent with `name`, `note` and `verdict` of the experts; row s is latent s."""
        current = self.annotations.current()
        frame = self.statistics.copy(deep=False)
        for column in ("name", "note", "verdict"):
            values = np.full(len(frame), "", dtype=object)
            for latent, annotation in current.items():
                values[latent] = getattr(annotation, column)
            frame[column] = values
        return frame

    @cached_property
    def images(self) -> pd.DataFrame:
        """The images with what is known of each; row numbers are those of `Reference.row`."""
        frame: pd.DataFrame = read_element(self._group, "obs", self.path)
        frame.insert(0, "id", frame.index.astype(str))
        return frame.reset_index(drop=True)

    @cached_property
    def annotations(self) -> Annotations:
        """Names, notes and verdicts of experts."""
        from cytosae_toolkit.atlas.packing import unpacked_names

        path = unpacked_names(self.path) if self.read_only else names_path(self.path)
        return Annotations(path, self.record["sae_fingerprint"], self.d_sae, read_only=self.read_only)

    def check_latent(self, latent: int) -> int:
        """Return a latent's number if it exists.

        Raises
        ------
        CytosaeError
            If it does not.
        """
        if not 0 <= latent < self.d_sae:
            raise CytosaeError(
                f"There is no latent {latent}: this atlas has {self.d_sae}.", f"Choose 0 to {self.d_sae - 1}."
            )
        return int(latent)

    def check_row(self, row: int) -> int:
        """Return the row of an image if it exists.

        Raises
        ------
        CytosaeError
            If it does not.
        """
        if not 0 <= row < self.n_images:
            raise CytosaeError(
                f"There is no image {row}: this atlas has {self.n_images}.", f"Choose 0 to {self.n_images - 1}."
            )
        return int(row)

    def check_set(self, name: str) -> str:
        """Return the name of an image set if there is one.

        Raises
        ------
        CytosaeError
            If there is none of that name.
        """
        if name not in self.sets:
            raise CytosaeError(f"The atlas has no image set {name!r}.", nearest(name, self.sets))
        return name

    def references(
        self, latent: int, *, set: str | None = None, kind: str = "top", limit: int | None = None
    ) -> list[Reference]:
        """Return the images that show a latent.

        Parameters
        ----------
        latent : int
            Which.
        set : str, optional
            Only the best of this image set; for ``kind="top"``.
        kind : str
            ``"top"``: the best, best first, one per group. ``"typical"``: random images from each quartile of
            activation, weakest first. ``"miss"``: images of its dominant label on which it is silent.
        limit : int, optional
            How many at most; of typical images equally many of each quartile, the strongest quartile served first.

        Raises
        ------
        CytosaeError
            If there is no such latent, set or kind.
        """
        latent = self.check_latent(latent)
        if kind not in KINDS:
            raise CytosaeError(f"There is no kind {kind!r} of reference.", nearest(kind, KINDS))
        if set is not None and kind != "top":
            raise CytosaeError("Typical images and near misses are kept over all sets only.", "Leave the set out.")
        if not self.has_images:
            return []
        return self._references.read(latent, kind, None if set is None else self.check_set(set), limit)

    @cached_property
    def _references(self) -> ReferenceReader:
        return ReferenceReader(self._group, self.path, self.media, self._texts)

    @cached_property
    def _texts(self) -> ImageTexts:
        return ImageTexts(self._group, self.path, self.n_images)

    def statistics_in_set(self, latent: int, set: str) -> dict[str, Any]:
        """Return what is known of a latent on the images of one set alone, by name.

        ``mean_activation``, ``frequency``, ``density``, ``max_activation``, ``label_entropy``; and of its references
        there ``n_labelled``, the commonest ``label`` (of equals that of the better references), and ``n_of_label``.

        Raises
        ------
        CytosaeError
            If there is no such latent or set.
        """
        values = self.lazy(f"varm/stats:{self.check_set(set)}")[self.check_latent(latent)]
        labels = [reference.label for reference in self.references(latent, set=set) if reference.label]
        label, n_of_label = Counter(labels).most_common(1)[0] if labels else ("", 0)
        found = dict(zip(SET_STATISTICS, np.asarray(values).tolist(), strict=True))
        return found | {"n_labelled": len(labels), "label": label, "n_of_label": n_of_label}

    def heatmap(self, latent: int, row: int) -> NDArray[np.float32] | None:
        """Return the activation of each patch of an image, float32 [rows, columns].

        Kept for the references and typical images of a latent; zeros where the latent is silent on the image;
        None for other images (ask an `Explorer`).
        """
        heats, row = self.media.heats_of(self.check_latent(latent)), self.check_row(row)
        places = np.flatnonzero(heats.rows == row)
        if not len(places):
            return None if row in self.column(latent)[0] else np.zeros(self.grid, dtype=np.float32)
        a, b = heats.offsets[places[0]], heats.offsets[places[0] + 1]
        flat = np.zeros(self.grid[0] * self.grid[1], dtype=np.float32)
        flat[heats.patch[a:b]] = heats.activation[a:b]
        return flat.reshape(self.grid)

    def picture(self, row: int) -> NDArray[np.uint8] | None:
        """Return an image as the backbone saw it, uint8 [h, w, 3], patches being a regular grid over it."""
        if not self.has_images:
            return None
        row = self.check_row(row)
        return decode_picture(self.media.picture_bytes(row, row + 1)[1])

    def patch_boxes(self) -> NDArray[np.float64]:
        """Return the box of each patch in a picture, float64 [patches, 4], ``x0, y0, x1, y1``."""
        return picture_boxes(self.grid, tuple(self.record["patch_size"]))

    def column(self, latent: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the images on which a latent is active.

        Returns
        -------
        rows : int64 array [n]
            Ascending.
        values : float32 array [n]
            m_i.
        """
        if not self.has_images:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        return self.media.column(self.check_latent(latent))

    def image_means(self) -> sparse.csr_matrix:
        """Return m_i of all images, CSR float32 [n_images, d_sae]; reads it all."""
        return read_element(self._group, "layers/mean", self.path)

    def mean_rows(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> sparse.csr_matrix:
        """Return m_i of some images, CSR float32 [n, d_sae]."""
        return self.matrix_rows("layers/mean", rows)

    def matrix_rows(self, name: str, rows: Sequence[int] | NDArray[np.integer[Any]]) -> sparse.csr_matrix:
        """Return some rows of ``"X"``, ``"layers/mean"`` or ``"layers/max"``, CSR float32 [n, d_sae].

        Neighbouring rows are read at once; nothing else is read.
        """
        return self._matrices.rows(name, rows)

    @cached_property
    def _matrices(self) -> MatrixReader:
        return MatrixReader(self._group, self.path, self.d_sae)

    def lazy(self, name: str) -> Any:
        """Return a dense array of the AnnData as a Zarr array, such as ``obsm/cls``; nothing is read."""
        return CheckedArray(self._group[name], self.path)

    def embedding(self, name: str) -> NDArray[np.float32]:
        """Return ``obsm[name]``: ``"cls"``, ``"mean_patch"`` or ``"colour"``, float32 [n_images, …]."""
        return np.asarray(read_element(self._group, f"obsm/{name}", self.path))

    def varm(self, name: str) -> NDArray[Any]:
        """Return ``varm[name]``, such as ``"histogram"`` or ``"stats:my set"``, [d_sae, …]."""
        return np.asarray(read_element(self._group, f"varm/{name}", self.path))

    def original(self, row: int) -> Path:
        """Return where the file of an image should be; it may be gone, or unknown to an atlas without patient ids."""
        if "path" not in self.images.columns:
            return self.path.parent / "unknown"
        return self.path.parent / str(self.images["path"].iloc[self.check_row(row)])

    def file_name(self, row: int) -> str:
        """Return the name of the file of an image without its folder, ``""`` where it is not known."""
        path = str(self._texts["path"][self.check_row(row)])
        return path.replace("\\", "/").rpartition("/")[2]

    @cached_property
    def run(self) -> Run:
        """The run whose SAE the atlas describes, carried by the atlas itself.

        Raises
        ------
        CytosaeError
            If it carries none, as an atlas of published statistics.
        """
        from cytosae_toolkit.training.run import Run

        return Run(run_folder(self.path))

    def to_anndata(self) -> AnnData:
        """Return everything but pictures and heat maps as `anndata.AnnData`; what `anndata.read_zarr` reads."""
        import anndata

        from cytosae_toolkit.atlas.writing import quiet_zarr

        with quiet_zarr():
            return anndata.read_zarr(self._group)

    def search(
        self,
        query: str,
        limit: int | None = 20,
        sort: str | None = None,
        *,
        descending: bool | None = None,
        hidden: bool = False,
    ) -> pd.DataFrame:
        """Find latents; see `cytosae_toolkit.atlas.searching.search`."""
        from cytosae_toolkit.atlas.searching import search

        return search(self.latents, query, limit=limit, sort=sort, descending=descending, hidden=hidden)

    def similar(self, latent: int, n: int = 10) -> pd.DataFrame:
        """Return the nearest latents by decoder direction and by co-activation over images."""
        from cytosae_toolkit.atlas.similarity import similar

        return similar(self, self.check_latent(latent), n)


def open_atlas(path: str | Path) -> Atlas:
    """Open an atlas: a folder ``NAME.atlas.zarr``, or the ZIP that `atlas pack` made of it."""
    return Atlas(path)
