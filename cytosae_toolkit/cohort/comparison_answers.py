"""What an expert's answers say of the latents that tell two groups apart: how many are recognised, how many rightly."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from cytosae_toolkit.atlas.review_answers import read_answers, read_key, seconds_of
from cytosae_toolkit.atlas.review_result import wilson_interval
from cytosae_toolkit.cohort.comparison_review import KEY_FORMAT, KEY_VERSION, VERDICTS
from cytosae_toolkit.errors import CytosaeError

_RECOGNISED = VERDICTS[:3]
_COLUMNS = ["item", "latent", "latent_name", "higher_in", "rank", "verdict", "name", "note", "seconds"]


@dataclass(frozen=True)
class Recognition:
    """How the top latents were judged.

    Parameters
    ----------
    top : int
        Ranks up to this.
    direction : str
        ``"a"``, ``"b"``, or ``"both"``: those higher in the first group, the second, or all.
    n, answered : int
        Items, and those with an answer.
    recognised, artefact : int
        Answers.
    share, low, high : float
        recognised / answered with Wilson's 95 % interval; NaN without answers.
    assigned, right : int
        Recognised items said to speak for one of the groups, and those of them for the one in which the latent is
        higher.
    p : float
        Two-sided binomial p of `right` against a chance of one half; NaN if none is assigned. With one direction alone
        chance is whatever the expert prefers to say: read it for both.
    """

    top: int
    direction: str
    n: int
    answered: int
    recognised: int
    artefact: int
    share: float
    low: float
    high: float
    assigned: int
    right: int
    p: float


@dataclass(frozen=True)
class ComparisonAnswers:
    """The outcome of a review of a comparison.

    Parameters
    ----------
    form, reviewer, sae_fingerprint : str
        Which form, who answered it, which SAE it is about.
    groups : dict of str to str
        Names of ``a`` and ``b``, and the ``column``.
    tops : list of Recognition
        For each number of top latents: both directions, then each.
    items : pandas.DataFrame
        One row per item: ``item latent latent_name higher_in rank verdict name note seconds``.
    """

    form: str
    reviewer: str
    sae_fingerprint: str
    groups: dict[str, str]
    tops: list[Recognition]
    items: pd.DataFrame

    def check(self, comparison_groups: tuple[str, str], sae_fingerprint: str | None) -> None:
        """Refuse answers about other groups or another SAE.

        Raises
        ------
        CytosaeError
            Saying which it is.
        """
        if (self.groups["a"], self.groups["b"]) != comparison_groups:
            raise CytosaeError(
                f"The review compares {self.groups['a']} with {self.groups['b']}, not {comparison_groups[0]} with "
                f"{comparison_groups[1]}.",
                "Name the groups as they were named for the review.",
            )
        if sae_fingerprint != self.sae_fingerprint:
            raise CytosaeError(
                f"The review is about the SAE {self.sae_fingerprint[:12]}, the barcodes about "
                f"{str(sae_fingerprint)[:12]}.",
                "Name the barcodes that the review was made from.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        items = self.items.astype(object)
        records = items.where(items.notna(), None).to_dict("records")
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"items": records}


def read_comparison_review(answers: str | Path, key: str | Path) -> ComparisonAnswers:
    """Read an expert's answers with the key of their form.

    Parameters
    ----------
    answers : str or Path
        The CSV that the form saved.
    key : str or Path
        ``key.json`` of the same review.

    Returns
    -------
    ComparisonAnswers
        An item that the answers lack counts as unanswered.

    Raises
    ------
    CytosaeError
        If either cannot be read, the answers belong to another form, or a line of theirs cannot be understood.
    """
    record = read_key(Path(key), KEY_FORMAT, KEY_VERSION)
    given = read_answers(Path(answers), Path(key), record, VERDICTS)
    items = _join(record["items"], given.items)
    tops = [
        _recognition(items, top, direction) for top in record["protocol"]["tops"] for direction in ("both", "a", "b")
    ]
    return ComparisonAnswers(
        record["form"], given.reviewer, record["sae_fingerprint"], record["groups"], tops, items
    )  # fmt: skip


def _join(facts: dict[str, dict[str, Any]], answers: dict[str, dict[str, str]]) -> pd.DataFrame:
    rows = [
        (
            item, "+".join(map(str, fact["latents"])), fact["name"], fact["higher_in"], fact["rank"],
            *(given.get(name, "") for name in ("verdict", "name", "note")), seconds_of(given.get("seconds", "")),
        )
        for item, fact in facts.items()
        for given in [answers.get(item, {})]
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=_COLUMNS)


def _recognition(items: pd.DataFrame, top: int, direction: str) -> Recognition:
    from scipy.stats import binomtest

    asked = items[(items["rank"] <= top) & ((items["higher_in"] == direction) | (direction == "both"))]
    answered = int((asked["verdict"] != "").sum())
    recognised = int(asked["verdict"].isin(_RECOGNISED).sum())
    assigned = asked[asked["verdict"].isin(("a", "b"))]
    right = int((assigned["verdict"] == assigned["higher_in"]).sum())
    low, high = wilson_interval(recognised, answered)
    return Recognition(
        top, direction, len(asked), answered, recognised, int((asked["verdict"] == "artefact").sum()),
        recognised / answered if answered else math.nan, low, high, len(assigned), right,
        float(binomtest(right, len(assigned)).pvalue) if len(assigned) else math.nan,
    )  # fmt: skip
