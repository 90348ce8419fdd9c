"""Concept barcodes of patients and diseases (CytoSAE, Eq. 2 and 3).

a_ij[s] = 1(h_ij[s] > τ);  a_i[s] = Σ_j a_ij[s] over the patches of image i;
a_p[s] = 1/N_p Σ a_i[s] over the N_p images of patient p;  a_d[s] = 1/N_d Σ a_p[s] over the N_d patients of disease d.

Any aggregator may take the place of the count; its `combine` takes the place of the two means.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.cohort.cohort import FORMAT, RECORD_KEY, VERSION
from cytosae_toolkit.cohort.named import named_latents, sum_by_name
from cytosae_toolkit.cohort.patients import Patients, cell_classes, find_patients, text_column
from cytosae_toolkit.cohort.provenance import content_fingerprint, current_command, now
from cytosae_toolkit.cohort.recounting import Recoder
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.aggregator import Aggregator
from cytosae_toolkit.training.provenance import software_versions

if TYPE_CHECKING:
    from anndata import AnnData

    from cytosae_toolkit.atlas.building import Work
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.progress import Progress

LEAST_KEPT, MOST_KEPT = 0.01, 0.9
"""Share of activations that a sensible threshold keeps."""


@dataclass(frozen=True)
class PatientValues:
    """What is summed up over the images of one patient.

    Parameters
    ----------
    value : CSR float64 [1, d_sae]
        The barcode.
    mean : CSR float64 [1, d_sae]
        Mean of m_i over the images.
    frequency : CSR float64 [1, d_sae]
        Share of the images with m_i > 0.
    """

    value: sparse.csr_array
    mean: sparse.csr_array
    frequency: sparse.csr_array


@dataclass
class Tally:
    """How many activations of patches there are, and how many of them exceed the threshold."""

    active: int = 0
    kept: int = 0

    @property
    def share(self) -> float | None:
        """Share that is kept; None if nothing was counted."""
        return self.kept / self.active if self.active else None


def barcodes(
    atlas: Atlas | str | Path,
    *,
    threshold: float | None = None,
    aggregator: str | None = None,
    aggregator_options: Mapping[str, Any] | None = None,
    by: str = "latent",
    work: Work | None = None,
    command: str | None = None,
) -> AnnData:
    """Return the barcodes of the patients of an atlas.

    Parameters
    ----------
    atlas : Atlas, str or Path
        With images that name patients.
    threshold : float, optional
        τ of the count, not negative; by default the atlas's. Another one than the atlas's reads the tokens again.
    aggregator : str, optional
        By default the atlas's. Another one reads the tokens again.
    aggregator_options : mapping, optional
        Options of another aggregator.
    by : str
        ``"latent"``, or ``"name"``: one column per name that experts gave, the sum over its latents.
    work : Work, optional
        Device, token store, progress.
    command : str, optional
        What is recorded as the command; by default the command line of this process.

    Returns
    -------
    AnnData
        Patients x latents, CSR float64; see docs/formats.md. `open_cohort` and `save_cohort` read and write it.

    Raises
    ------
    CytosaeError
        If no image names a patient, a patient has two diseases, no latent has a name, or tokens are needed again and
        cannot be had.
    """
    from cytosae_toolkit.atlas.building import Work
    from cytosae_toolkit.atlas.reading import open_atlas

    atlas, work = open_atlas(atlas) if isinstance(atlas, str | Path) else atlas, work or Work()
    if by not in ("latent", "name"):
        raise CytosaeError(f"There are no barcodes by {by!r}.", "Choose latent or name.")
    _need_images(atlas)
    patients, named = find_patients(atlas.images), named_latents(atlas) if by == "name" else None
    maker, record = _aggregator(atlas, threshold, aggregator, aggregator_options)
    again = record != _comparable(atlas.record["aggregator"])
    tally = Tally()
    rows = _recounted(atlas, maker, patients, work, tally) if again else _kept(atlas, maker, patients, work.progress)
    made = _assemble(atlas, patients, list(rows))
    has_threshold = record["options"].get("threshold") is not None
    kept = (tally.share if has_threshold else None) if again else atlas.record.get("kept_share")
    made.uns[RECORD_KEY] = {"record": ""}
    if named is not None:
        made = sum_by_name(made, named)
    _add_diseases(made, maker)
    _record(made, atlas, patients, record, kept, by, command)
    return made


def _need_images(atlas: Atlas) -> None:
    if not atlas.has_images:
        raise CytosaeError(
            f"The atlas {atlas.path} has no images: it was made from published statistics.",
            "Build one with `cytosae-toolkit atlas build RUN IMAGES`.",
        )


def _aggregator(
    atlas: Atlas, threshold: float | None, name: str | None, options: Mapping[str, Any] | None
) -> tuple[Aggregator, dict[str, Any]]:
    """Return the aggregator that was asked for, and what is recorded of it."""
    from cytosae_toolkit.plugins import build_aggregator, registry

    own = atlas.record["aggregator"]
    if threshold is not None and not (np.isfinite(threshold) and threshold >= 0):
        raise CytosaeError(f"A threshold of {threshold} is no activation.", "Give a number from 0 upwards.")
    if name is None:
        kept = threshold is None or own["name"] == "count"
        name = f"{own['distribution']}/{own['name']}" if kept else "count"
    part = registry().get("aggregator", name)
    same = (part.name, part.distribution) == (own["name"], own["distribution"])
    chosen = (dict(own["options"]) if same else {}) | dict(options or {})
    chosen |= {} if threshold is None else {"threshold": threshold}
    if threshold is not None and "threshold" not in part.spec.options.model_fields:
        raise CytosaeError(f"The aggregator {part.name} has no threshold.", "Leave --threshold out.")
    parsed = part.parse_options(chosen)
    return build_aggregator(part, parsed), _comparable(part.record(parsed))


def _comparable(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("kind", "name", "distribution", "options")}


def _kept(atlas: Atlas, maker: Aggregator, patients: Patients, progress: Progress) -> Iterator[PatientValues]:
    """Yield the barcodes from the values that the atlas holds."""
    with progress.task("Counting", len(patients.rows), "patients") as task:
        for rows in patients.rows:
            yield _summed(atlas, maker, atlas.matrix_rows("X", rows), rows)
            task.advance()


def _recounted(
    atlas: Atlas, maker: Aggregator, patients: Patients, work: Work, tally: Tally
) -> Iterator[PatientValues]:
    """Yield the barcodes from the tokens."""
    recoder = Recoder(atlas, maker, work)
    threshold = np.float32(getattr(maker, "threshold", 0.0))
    with work.progress.task("Counting again from tokens", sum(map(len, patients.rows)), "images") as task:
        for rows in patients.rows:
            found = []
            for code in recoder.codes(rows):
                found.append(_sparse_row(code.latent, code.value, atlas.d_sae))
                tally.active += len(code.activation)
                tally.kept += int((code.activation > threshold).sum())
                task.advance()
            yield _summed(atlas, maker, sparse.vstack(found, format="csr"), rows)


def _sparse_row(latent: NDArray[np.int64], value: NDArray[np.float32], d_sae: int) -> sparse.csr_array:
    return sparse.csr_array((value, latent, [0, len(latent)]), shape=(1, d_sae))


def _summed(atlas: Atlas, maker: Aggregator, values: Any, rows: NDArray[np.int64]) -> PatientValues:
    means = sparse.csr_array(atlas.mean_rows(rows)).astype(np.float64)
    n = len(rows)
    active = np.bincount(means.indices, weights=means.data > 0, minlength=atlas.d_sae)
    found = (combine(maker, sparse.csr_array(values)), _column_sums(means) / n, active / n)
    return PatientValues(*(sparse.csr_array(row[None, :]) for row in found))


def combine(maker: Aggregator, values: sparse.csr_array) -> NDArray[np.float64]:
    """Return the value of a patient from its images: the mean of Eq. 3, or what the aggregator says.

    Parameters
    ----------
    maker : Aggregator
        Its `combine` is used if it has one of its own.
    values : CSR float [n, d_sae]
        One row per image.
    """
    if type(maker).combine is Aggregator.combine:
        mean: NDArray[np.float64] = _column_sums(values) / values.shape[0]
        return mean
    combined = np.asarray(maker.combine(values.toarray()), dtype=np.float64)
    if combined.shape != (values.shape[1],) or not np.isfinite(combined).all():
        raise CytosaeError(f"The aggregator {type(maker).__name__} does not combine images to one finite value each.")
    return combined


def _column_sums(matrix: sparse.csr_array) -> NDArray[np.float64]:
    weights = matrix.data.astype(np.float64)
    return np.bincount(matrix.indices, weights=weights, minlength=matrix.shape[1]).astype(np.float64)


def _assemble(atlas: Atlas, patients: Patients, values: list[PatientValues]) -> AnnData:
    import anndata

    matrices = {
        name: sparse.csr_array(sparse.vstack([getattr(own, name) for own in values], format="csr"))
        for name in ("value", "mean", "frequency")
    }
    made = anndata.AnnData(
        X=matrices["value"],
        obs=_storable(patients.obs),
        var=_latent_table(atlas),
        layers={name: matrices[name] for name in ("mean", "frequency")},
    )
    for name, embedding in _embeddings(atlas, patients).items():
        made.obsm[name] = embedding
    return made


def _storable(table: pd.DataFrame) -> pd.DataFrame:
    text = [name for name in table.columns if table[name].dtype.kind not in "biuf"]
    return table.assign(**{name: pd.Categorical(table[name]) for name in text})


def _latent_table(atlas: Atlas) -> pd.DataFrame:
    table = atlas.latents
    table = table[[name for name in table.columns if not name.startswith("mean_activation:")]].copy()
    table.insert(0, "latent", np.arange(len(table)))
    for name in table.columns:
        if table[name].dtype.kind not in "biuf":
            table[name] = table[name].astype(object).where(table[name].notna(), "").map(str)
    return table.set_axis(pd.Index(table["latent"].astype(str).to_numpy(dtype=object)), axis=0)


def _embeddings(atlas: Atlas, patients: Patients) -> dict[str, Any]:
    """Return what patients are compared with: mean colours and embeddings of their cells, and their cell classes."""
    found: dict[str, Any] = {}
    for name in ("colour", "cls", "mean_patch"):
        cells = atlas.embedding(name).astype(np.float64)
        if cells.shape[1]:
            found[name] = np.stack([cells[own].mean(axis=0) for own in patients.rows])
        if name == "colour":
            found["colour_sd"] = np.stack([cells[own].std(axis=0) for own in patients.rows])
    classes = cell_classes(atlas.images, patients)
    if classes is not None:
        found["cell_classes"] = classes
    return found


def _add_diseases(made: AnnData, maker: Aggregator) -> None:
    """Add the barcode of each disease: Eq. 3 over its patients."""
    diseases = text_column(made.obs, "disease")
    matrix = sparse.csr_array(made.X)
    names = sorted({name for name in diseases if name is not None})
    columns = {name: combine(maker, matrix[np.flatnonzero(diseases == name)]) for name in names}
    if columns:
        made.varm["diseases"] = pd.DataFrame(columns, index=made.var_names)


def _record(
    made: AnnData, atlas: Atlas, patients: Patients, aggregator: dict[str, Any], kept: float | None, by: str,
    command: str | None,
) -> None:  # fmt: skip
    diseases = text_column(made.obs, "disease")
    record = {
        "format": FORMAT,
        "version": VERSION,
        "atlas": str(atlas.path),
        "sae_fingerprint": atlas.record["sae_fingerprint"],
        "aggregator": aggregator,
        "threshold": aggregator["options"].get("threshold"),
        "kept_share": kept,
        "by": by,
        "n_images": int(made.obs["n_cells"].sum()),
        "left_out": {
            "without_patient": patients.n_without_patient,
            "without_disease": int(sum(name is None for name in diseases)),
            "unreadable_patients": _unreadable(atlas, made),
        },
        "demonstration": bool(atlas.record.get("demonstration")),
        "command": current_command() if command is None else command,
        "software": software_versions(),
        "created": now(),
        "fingerprint": content_fingerprint(made),
    }
    made.uns[RECORD_KEY] = {"record": json.dumps(record)}


def _unreadable(atlas: Atlas, made: AnnData) -> list[str]:
    """Return the patients none of whose images could be read when the atlas was built."""
    skipped = {str(item["patient"]) for item in atlas.record.get("skipped", []) if item.get("patient")}
    return sorted(skipped - set(map(str, made.obs_names)))


def warn_about_threshold(record: Mapping[str, Any]) -> str | None:
    """Return a sentence on a threshold that keeps hardly any activation, or nearly all; None if it is sensible."""
    share, threshold = record.get("kept_share"), record.get("threshold")
    if share is None or threshold is None or LEAST_KEPT <= share <= MOST_KEPT:
        return None
    direction = "lower" if share < LEAST_KEPT else "raise"
    return (
        f"The threshold {threshold:g} keeps {100 * share:.2g} % of the activations: "
        f"{direction} it with --threshold; --tau-table shows others."
    )
