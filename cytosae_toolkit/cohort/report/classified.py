"""What a classification says of one patient, read from its folder."""

from __future__ import annotations

from dataclasses import dataclass

from cytosae_toolkit.cohort.report.document import Block, Name, Note, Paragraph, Part, Table, Text, Value
from cytosae_toolkit.cohort.report.formats import is_nothing, number, p_value, percent, signed
from cytosae_toolkit.cohort.report.inputs import Inputs, ResultFolder, open_result
from cytosae_toolkit.cohort.report.sources import Sheet
from cytosae_toolkit.errors import CytosaeError

DRIVERS_SHOWN = 8
_PREFIX = "probability:"


@dataclass(frozen=True)
class Classified:
    """The folder of a classification, and the patient's row in it.

    Parameters
    ----------
    folder : ResultFolder
        Opened.
    predictions, drivers, baselines : Sheet
        Its tables.
    row : int or None
        Of the patient among the predictions; None if it took no part.
    driver_rows : list of int
        Of the patient among the drivers, strongest first.
    """

    folder: ResultFolder
    predictions: Sheet
    drivers: Sheet
    baselines: Sheet
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
    try:
        rows = predictions.rows(patient=patient)
        driven = drivers.rows(patient=patient)[:DRIVERS_SHOWN]
    except KeyError as error:
        raise CytosaeError(f"The classification {folder.path} lacks the column {error}.", "Make it again.") from error
    return Classified(folder, predictions, drivers, baselines, rows[0] if rows else None, driven if rows else [])


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
    text: list[Part] = ["How far to trust it: over all patients, "]
    text += _score(found, "barcode", "barcodes reach a balanced accuracy of ")
    text += _score(found, "colour", "; mean colours of the images alone reach ")
    text += _score(found, "set", "; the image set alone reaches ")
    text += [". ", Note("Mean and standard deviation over test folds; p by permutation of the labels.")]
    return text


def _score(found: Classified, features: str, words: str) -> list[Part]:
    rows = found.baselines.rows(features=features, score="balanced_accuracy")
    if not rows:
        return []
    sheet, row = found.baselines, rows[0]
    text: list[Part] = [words, sheet.value(row, "mean", number), " ± ", sheet.value(row, "sd", number)]
    if not is_nothing(sheet.raw(row, "p")):
        text += [" (p ", sheet.value(row, "p", p_value), "; chance ", sheet.value(row, "chance", number), ")"]
    return text
