"""The conformance suite for an installed part, as ``plugins check`` runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from cytosae_toolkit.plugins import Part, build_aggregator, build_backbone, build_sae
from cytosae_toolkit.testing.checks import Outcome, run_checks

CHECKED_D_MODEL = 32
CHECKED_D_SAE = 256


def check_part(
    part: Part, options: Mapping[str, Any] | None = None, *, device: str = "cpu", offline: bool = False
) -> Iterator[Outcome]:
    """Run the suite of a part's kind.

    Parameters
    ----------
    part : Part
        From `Registry.get` or `Registry.find`.
    options : mapping, optional
        Its options; strings are converted.
    device : str
        Where backbones run.
    offline : bool
        Forbid downloads of weights.

    Yields
    ------
    Outcome
        Of each check, as soon as it is known.

    Raises
    ------
    CytosaeError
        If the part cannot be created at all.
    """
    parsed = part.parse_options(options or {})
    if part.kind == "backbone":
        yield from _check_backbone(part, parsed, device, offline)
    elif part.kind == "sae":
        yield from _check_sae(part, parsed)
    else:
        yield from _check_aggregator(part, parsed)


def _check_backbone(part: Part, options: BaseModel, device: str, offline: bool) -> Iterator[Outcome]:
    from cytosae_toolkit.testing.backbone import BACKBONE_CHECKS, BackboneSubject

    subject = BackboneSubject(lambda: build_backbone(part, options, device=device, offline=offline))
    subject.backbone  # noqa: B018  # created here, so that missing weights are an error and not failed checks
    yield from run_checks(BACKBONE_CHECKS, subject)


def _check_sae(part: Part, options: BaseModel) -> Iterator[Outcome]:
    from cytosae_toolkit.testing.sae import SAE_CHECKS, SAESubject

    build_sae(part, CHECKED_D_MODEL, CHECKED_D_SAE, options)
    subject = SAESubject(
        lambda d_model, d_sae: build_sae(part, d_model, d_sae, options), CHECKED_D_MODEL, CHECKED_D_SAE
    )
    yield from run_checks(SAE_CHECKS, subject)


def _check_aggregator(part: Part, options: BaseModel) -> Iterator[Outcome]:
    from cytosae_toolkit.testing.aggregator import AGGREGATOR_CHECKS

    build_aggregator(part, options)
    yield from run_checks(AGGREGATOR_CHECKS, lambda: build_aggregator(part, options))
