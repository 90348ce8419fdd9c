"""A small table of latents to be searched."""

from __future__ import annotations

import pandas as pd

from cytosae_toolkit.atlas.searching import search

NAN = float("nan")


def latent_table() -> pd.DataFrame:
    """Return eight latents, one of them flagged by colour and one by its cells; some have names, notes, verdicts."""
    frame = pd.DataFrame(
        {
            "mean_activation": [0.5, 0.4, 0.3, 0.2, 0.1, 0.0, NAN, 0.05],
            "frequency": [0.1, 0.9, 0.2, 0.3, 0.4, 0.0, 0.0, 0.6],
            "label_entropy": [0.2, NAN, 2.0, 0.7, 1.0, NAN, NAN, 0.1],
            "n_images": [5, 90, 20, 30, 40, 0, 0, 60],
            "dominant_label": ["eosinophil", "blast", "blast", "Eosinophil", "basophil", "", "", "blast"],
            "best_label": ["eosinophil", "band neutrophil", "blast", "blast", "basophil", "", "", "blast"],
            "best_precision": [0.9, 0.3, 0.4, 0.6, 0.8, NAN, NAN, 0.9],
            "name": ["", "granules", "coarse granules", "granules, pink", "", "", "", ""],
            "note": ["pink granules", "", "", "", "Auer rods?", "", "", "granules"],
            "verdict": ["", "concept", "unclear", "concept", "mixed", "", "", "artefact"],
            "flag_colour": [False] * 7 + [True],
            "flag_position": [False] * 8,
            "flag_set": [False] * 8,
            "flag_few_cells": [False, False, False, False, True, False, False, False],
        }
    )
    return frame.rename_axis("latent")


def found(latents: pd.DataFrame, query: str, **options: object) -> list[int]:
    """Return the numbers of the latents that a query finds, best first."""
    return search(latents, query, **options).index.tolist()
