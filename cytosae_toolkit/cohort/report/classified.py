"""What a classification says of one patient, read from its folder."""

from __future__ import annotations

from dataclasses import dataclass

from cytosae_toolkit.cohort.classification import NESTED
from cytosae_toolkit.cohort.features import BARCODE
from cytosae_toolkit.cohort.left_out_sets import ALL_SETS
from cytosae_toolkit.cohort.report.document import Block, Name, Note, Paragraph, Part, Table, Text, Value
from cytosae_toolkit.cohort.report.formats import is_nothing, number, p_value, percent, signed
from cytosae_toolkit.cohort.report.inputs import Inputs, ResultFolder, open_result
from cytosae_toolkit.cohort.report.sources import Sheet
from cytosae_toolkit.errors import CytosaeError

DRIVERS_SHOWN = 8
_PREFIX = "probability:"
_F1, _BALANCED = "weighted_f1", "balanced_accuracy"


@dataclass(frozen=True)
class Classified:
    """The folder of a classification, and the patient's row in it.

    Parameters
    ----------
    folder : ResultFolder
        Opened.
    predictions, drivers, baselines : Sheet
        Its tables.
    sets : Sheet or None
        Scores with an image set left out; None with a single set.
    row : int or None
        Of the patient among the predictions; None if it took no part.
    driver_rows : list of int
        Of the patient among the drivers, strongest first.
    """

    folder: ResultFolder
    predictions: Sheet
    drivers: Sheet
    baselines: Sheet
    sets: Sheet | None
    row: int | None
    driver_rows: list[int]

    @property
    def predicted(self) -> str:
        """The class that the patient was given."""
        return str(self.predictions.frame.at[self.row, "predicted"])

    @property
    def target(self) -> str:
        """What was predicted."""
        return str(self.folder.record.document["options"]["target"])

    def probability(self) -> Value:
        """Return that of the class that the patient was given."""
        return self.predictions.value(self.row or 0, f"{_PREFIX}{self.predicted}", percent)

    def contribution(self, key: str) -> tuple[int, Value] | None:
        """Return the row of a latent among the drivers and its contribution; None if it is not one."""
        for row in self.driver_rows:
            if str(self.drivers.frame.at[row, "latent"]) == key:
                return row, self.drivers.value(row, "contribution", signed)
        return None

    @property
    def keys(self) -> list[str]:
        """The latents that drove the prediction, strongest first."""
        return [str(self.drivers.frame.at[row, "latent"]) for row in self.driver_rows]


def read_classified(inputs: Inputs, patient: str) -> Classified | None:
    """Open the classification that was named; None if there is none.

    Raises
    ------
    CytosaeError
        If it is none, damaged, or about other barcodes.
    """
    if inputs.request.classification is None:
        return None
    folder = open_result(inputs.request.classification, "classification", inputs)
    predictions = folder.sheet("predictions.csv", "out-of-fold predictions of all patients")
    drivers = folder.sheet("drivers.csv", "what drove the prediction of each patient")
    baselines = folder.sheet("baselines.csv", "scores of barcodes and of what they are compared with")
    left_out = (folder.path / "sets.csv").is_file()
    sets = folder.sheet("sets.csv", "scores with one image set left out") if left_out else None
    try:
        rows = predictions.rows(patient=patient)
        driven = drivers.rows(patient=patient)[:DRIVERS_SHOWN]
    except KeyError as error:
        raise CytosaeError(f"The classification {folder.path} lacks the column {error}.", "Make it again.") from error
    row = rows[0] if rows else None
    return Classified(folder, predictions, drivers, baselines, sets, row, driven if rows else [])


def classified_blocks(found: Classified, titles: dict[str, Text]) -> list[Block]:
    """Return the probabilities of the patient, what drove them, and how well the classification works at all.

    Parameters
    ----------
    found : Classified
        The classification.
    titles : dict of str to Text
        How the latents are called, by key.
    """
    if found.row is None:
        return [Paragraph(["This patient took no part in the classification, its class being unknown or too small."])]
    return [
        Paragraph(_sentence(found)),
        _probabilities(found),
        Paragraph(
            [
                "What drove it: the models being linear, the decision is a sum of one contribution per latent. "
                "Contributions are log odds of the class given against the runner-up, ",
                Name(str(found.predictions.frame.at[found.row, "against"])),
                "; plus speaks for the class given, minus against it. A latent that the patient has less of than "
                "others can drive by its absence.",
            ],
            "help",
        ),
        _drivers(found, titles),
        Paragraph(_quality(found), "help"),
    ]


def _sentence(found: Classified) -> Text:
    row = found.row or 0
    return [
        "A linear classification by barcodes, fitted without this patient, gave the class ", Name(found.predicted),
        " with a probability of ", found.probability(), " (not calibrated); the recorded ", found.target, " is ",
        Name(str(found.predictions.frame.at[row, "truth"])), ". Over the repeats in other folds, ",
        found.predictions.value(row, "share_correct", percent), " of its predictions were right.",
    ]  # fmt: skip


def _probabilities(found: Classified) -> Table:
    row = found.row or 0
    columns = [name for name in found.predictions.frame.columns if name.startswith(_PREFIX)]
    ranked = sorted(columns, key=lambda name: -float(found.predictions.raw(row, name)))
    rows: list[list[Text]] = [
        [[Name(name.removeprefix(_PREFIX))], [found.predictions.value(row, name, percent)]] for name in ranked
    ]
    return Table(["Class", "Probability"], rows)


def _drivers(found: Classified, titles: dict[str, Text]) -> Table:
    rows: list[list[Text]] = []
    for row in found.driver_rows:
        key = str(found.drivers.frame.at[row, "latent"])
        rows.append(
            [
                titles.get(key, [Name(key)]), [found.drivers.value(row, "contribution", signed)],
                [found.drivers.value(row, "value", number)], [found.drivers.value(row, "training_mean", number)],
            ]
        )  # fmt: skip
    return Table(["Latent", "Contribution", "This patient", "Mean of those trained on"], rows)


def _quality(found: Classified) -> Text:
    own = found.baselines.rows(features=BARCODE, score=_F1)
    text: list[Part] = ["How far to trust it: over all patients, "]
    if own:
        text += [
            "barcodes reach a ",
            Note("weighted F1"),
            " of ",
            *_pooled(found.baselines, own[0]),
            *_permuted(found, own[0]),
        ]
    strongest = strongest_baseline(found.baselines)
    if strongest is not None:
        name = str(found.baselines.frame.at[strongest, "description"])
        text += ["; the strongest of what they are compared with (", Name(name), ") reaches "]
        text += _pooled(found.baselines, strongest)
    tail = "In brackets intervals over patients; p by shuffling labels over all patients, which says nothing of "
    return [*text, ". ", *_left_out(found), Note(f"{tail}laboratories.")]


def strongest_baseline(baselines: Sheet) -> int | None:
    """Return the row of the baseline with the largest pooled weighted F1; None if there is no baseline."""
    rows = [row for row in baselines.rows(score=_F1) if baselines.raw(row, "features") not in (BARCODE, NESTED)]
    return max(rows, key=lambda row: float(baselines.raw(row, "pooled")), default=None)


def _pooled(sheet: Sheet, row: int) -> list[Part]:
    text: list[Part] = [sheet.value(row, "pooled", number)]
    if is_nothing(sheet.raw(row, "low")):
        return text
    return [*text, " (", sheet.value(row, "low", number), " to ", sheet.value(row, "high", number), ")"]


def _permuted(found: Classified, row: int) -> list[Part]:
    sheet = found.baselines
    if is_nothing(sheet.raw(row, "p")):
        return []
    return [", p ", sheet.value(row, "p", p_value), ", with shuffled labels ", sheet.value(row, "chance", number)]


def _left_out(found: Classified) -> list[Part]:
    """Say how well barcodes do on image sets left out, beside the same score in cross-validation."""
    if found.sets is None:
        return ["All patients come from one image set: nothing says how it works in another laboratory. "]
    rows = found.sets.rows(features=BARCODE, set=ALL_SETS)
    inside = found.baselines.rows(features=BARCODE, score=_BALANCED)
    if not rows or not inside or is_nothing(found.sets.raw(rows[0], _BALANCED)):
        return ["No image set could be left out and scored: nothing says how it works in another laboratory. "]
    sheet, row = found.sets, rows[0]
    text: list[Part] = ["With one image set left out, balanced accuracy is ", sheet.value(row, _BALANCED, number)]
    if not is_nothing(sheet.raw(row, f"{_BALANCED}_low")):
        text += [" (", sheet.value(row, f"{_BALANCED}_low", number), " to "]
        text += [sheet.value(row, f"{_BALANCED}_high", number), ")"]
    text += [", by chance ", sheet.value(row, "chance", number), "; in cross-validation it is "]
    return [*text, *_pooled(found.baselines, inside[0]), ". "]
