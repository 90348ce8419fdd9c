"""What an expert's answers say: share judged meaningful, for latents beside decoys, with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from cytosae_toolkit.atlas.names import Annotation, Annotations, Entry
from cytosae_toolkit.atlas.review import KEY_FORMAT, KEY_VERSION
from cytosae_toolkit.atlas.review_answers import read_answers, read_key, seconds_of
from cytosae_toolkit.atlas.review_form import INTRUDER, MEANING
from cytosae_toolkit.errors import CytosaeError

VERDICTS = {"yes": "concept", "artefact": "artefact", "no": "mixed", "unsure": "unclear"}
"""Answer → verdict of an annotation."""

_ITEM_COLUMNS = (
    "item", "kind", "latent", "decoy", "cluster", "n_pictures", "verdict", "correct", "name", "note", "seconds",
)  # fmt: skip
_Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Judged:
    """How latents, or decoys, were judged.

    Parameters
    ----------
    n : int
        Items.
    yes, artefact, no, unsure, unanswered : int
        Answers.
    share : float
        yes / answered, "unsure" counting as answered; NaN without answers.
    low, high : float
        Wilson's 95 % interval of `share`.
    """

    n: int
    yes: int
    artefact: int
    no: int
    unsure: int
    unanswered: int
    share: float
    low: float
    high: float

    @property
    def answered(self) -> int:
        """Items that were answered."""
        return self.n - self.unanswered


@dataclass(frozen=True)
class Intruders:
    """How often the picture that does not belong was found.

    Parameters
    ----------
    n, unanswered, correct : int
        Items.
    accuracy : float
        correct / answered; NaN without answers.
    low, high : float
        Wilson's 95 % interval of it.
    chance : float
        Expected from guessing: mean of 1 / pictures over the answered items.
    """

    n: int
    unanswered: int
    correct: int
    accuracy: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True)
class ReviewResult:
    """The outcome of a review.

    Parameters
    ----------
    form, reviewer, sae_fingerprint : str
        Which form, who answered it, and which SAE it is about.
    latents, decoys : Judged
        Meaning items.
    difference, difference_low, difference_high : float
        Share of latents minus share of decoys, with Newcombe's 95 % interval; NaN where either has no answers.
    fisher_p : float
        Two-sided exact p of Fisher's test of yes against other answers.
    intruders, decoy_intruders : Intruders
        Intruder tests.
    unanswered : int
        Items of any kind without an answer.
    items : pandas.DataFrame
        One row per item: ``item, kind, latent, decoy, cluster, n_pictures, verdict, correct, name, note, seconds``.
    """

    form: str
    reviewer: str
    sae_fingerprint: str
    latents: Judged
    decoys: Judged
    difference: float
    difference_low: float
    difference_high: float
    fisher_p: float
    intruders: Intruders
    decoy_intruders: Intruders
    unanswered: int
    items: pd.DataFrame

    def check_sae(self, fingerprint: str) -> None:
        """Refuse an atlas of another SAE.

        Raises
        ------
        CytosaeError
            If the review was made from an atlas of another SAE.
        """
        if fingerprint != self.sae_fingerprint:
            raise CytosaeError(
                f"The review is about the SAE {self.sae_fingerprint[:12]}, the atlas about {fingerprint[:12]}.",
                "Name the atlas that the review was made from.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values; what is unknown of an item is None."""
        items = self.items.astype(object)
        records = items.where(items.notna(), None).to_dict("records")
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"items": records}

    def annotate(self, annotations: Annotations, author: str | None = None) -> list[Annotation]:
        """Write verdicts, names and notes of the answered latents as annotations, as one change.

        Raises
        ------
        CytosaeError
            If they belong to another SAE.
        """
        self.check_sae(annotations.fingerprint)
        answered = self.items[
            (self.items["kind"] == MEANING) & self.items["latent"].notna() & (self.items["verdict"] != "")
        ]
        entries = {
            int(row["latent"]): Entry(
                row["name"] or None, row["note"] or None, VERDICTS[row["verdict"]], author or self.reviewer or None
            )
            for _, row in answered.iterrows()
        }
        return annotations.add_entries(entries) if entries else []


def read_review(answers: Path, key: Path) -> ReviewResult:
    """Read an expert's answers with the key of their form.

    Parameters
    ----------
    answers : Path
        The CSV that the form saved.
    key : Path
        ``key.json`` of the same review.

    Returns
    -------
    ReviewResult
        An item that the answers lack counts as unanswered.

    Raises
    ------
    CytosaeError
        If either cannot be read, the answers belong to another form, or a line of theirs cannot be understood.
    """
    record = read_key(Path(key), KEY_FORMAT, KEY_VERSION)
    given = read_answers(Path(answers), Path(key), record, tuple(VERDICTS))
    return _summarise(record, given.reviewer, _join(record["items"], given.items))


def _join(facts: dict[str, dict[str, Any]], answers: dict[str, dict[str, str]]) -> pd.DataFrame:
    rows = []
    for item, fact in facts.items():
        given = answers.get(item, {})
        choice = given.get("choice", "")
        rows.append(
            {
                "item": item,
                "kind": fact["kind"],
                "latent": fact.get("latent"),
                "decoy": fact.get("decoy"),
                "cluster": fact.get("cluster"),
                "n_pictures": fact.get("n_pictures"),
                "verdict": given.get("verdict", "") if fact["kind"] == MEANING else "",
                "correct": int(choice) == fact["intruder"] if choice and fact["kind"] == INTRUDER else None,
                "name": given.get("name", ""),
                "note": given.get("note", ""),
                "seconds": seconds_of(given.get("seconds", "")),
            }
        )
    return pd.DataFrame(rows, columns=list(_ITEM_COLUMNS)).astype(
        {"latent": "Int64", "decoy": "Int64", "cluster": "Int64", "n_pictures": "Int64", "correct": "boolean"}
    )


def _summarise(record: dict[str, Any], reviewer: str, items: pd.DataFrame) -> ReviewResult:
    from scipy.stats import fisher_exact

    meaning, intruder = items[items["kind"] == MEANING], items[items["kind"] == INTRUDER]
    latents, decoys = (_judged(meaning[meaning[name].notna()]["verdict"]) for name in ("latent", "decoy"))
    odd, odd_decoys = (_intruders(intruder[intruder[name].notna()]) for name in ("latent", "decoy"))
    low, high = newcombe_interval(latents.yes, latents.answered, decoys.yes, decoys.answered)
    table = [[judged.yes, judged.answered - judged.yes] for judged in (latents, decoys)]
    return ReviewResult(
        form=record["form"],
        reviewer=reviewer,
        sae_fingerprint=record["sae_fingerprint"],
        latents=latents,
        decoys=decoys,
        difference=latents.share - decoys.share,
        difference_low=low,
        difference_high=high,
        fisher_p=float(fisher_exact(table).pvalue) if latents.answered and decoys.answered else math.nan,
        intruders=odd,
        decoy_intruders=odd_decoys,
        unanswered=latents.unanswered + decoys.unanswered + odd.unanswered + odd_decoys.unanswered,
        items=items,
    )


def _judged(verdicts: pd.Series) -> Judged:
    counts = {name: int((verdicts == name).sum()) for name in ("yes", "artefact", "no", "unsure")}
    answered = sum(counts.values())
    low, high = wilson_interval(counts["yes"], answered)
    share = counts["yes"] / answered if answered else math.nan
    return Judged(len(verdicts), **counts, unanswered=len(verdicts) - answered, share=share, low=low, high=high)


def _intruders(items: pd.DataFrame) -> Intruders:
    answered = items[items["correct"].notna()]
    n, correct = len(answered), int(answered["correct"].sum())
    low, high = wilson_interval(correct, n)
    chance = float((1 / answered["n_pictures"].astype(float)).mean()) if n else math.nan
    return Intruders(len(items), len(items) - n, correct, correct / n if n else math.nan, low, high, chance)


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a proportion (Wilson 1927); NaN for n = 0.

    Centre (p + z²/2n) / (1 + z²/n), half width z √(p(1 - p)/n + z²/4n²) / (1 + z²/n).
    """
    if not n:
        return math.nan, math.nan
    p, z2 = successes / n, _Z**2
    centre, half = p + z2 / (2 * n), _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, (centre - half) / (1 + z2 / n)), min(1.0, (centre + half) / (1 + z2 / n))


def newcombe_interval(successes_a: int, n_a: int, successes_b: int, n_b: int) -> tuple[float, float]:
    """Return the 95 % interval of a difference p_a - p_b of independent proportions; NaN where either n is 0.

    Newcombe (1998), method 10: with Wilson's limits l, u of each, the limits are d - √((p_a - l_a)² + (u_b - p_b)²)
    and d + √((u_a - p_a)² + (p_b - l_b)²).
    """
    if not n_a or not n_b:
        return math.nan, math.nan
    p_a, p_b = successes_a / n_a, successes_b / n_b
    (low_a, high_a), (low_b, high_b) = wilson_interval(successes_a, n_a), wilson_interval(successes_b, n_b)
    difference = p_a - p_b
    return difference - math.hypot(p_a - low_a, high_b - p_b), difference + math.hypot(high_a - p_a, p_b - low_b)
