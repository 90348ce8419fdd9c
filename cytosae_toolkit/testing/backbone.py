"""All checks of the backbone's contract."""

from __future__ import annotations

from cytosae_toolkit.testing.boxes import BOX_CHECKS
from cytosae_toolkit.testing.subject import BackboneSubject
from cytosae_toolkit.testing.tokens import TOKEN_CHECKS

__all__ = ["BACKBONE_CHECKS", "BackboneSubject"]

BACKBONE_CHECKS = [*TOKEN_CHECKS, *BOX_CHECKS]
