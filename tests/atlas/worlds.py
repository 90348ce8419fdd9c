"""Small random image sets with whole-numbered activations, on which sums are exact."""

from __future__ import annotations

import numpy as np

from cytosae_toolkit.atlas.columns import ImageFacts
from cytosae_toolkit.atlas.positions import PatchTotals

GRID, PREFIX = (4, 4), 1


def facts_of(n: int, *, labels=None, groups=None, sets=None, seed: int = 0, **other) -> ImageFacts:
    """Facts of n images; labels and sets by name (None for no label), groups by number; the rest random."""
    rng = np.random.default_rng(seed)
    labels, sets = labels or [None] * n, sets or ["here"] * n
    names, set_names = sorted({label for label in labels if label is not None}, reverse=True), list(dict.fromkeys(sets))
    facts = {
        "labels": np.array([-1 if label is None else names.index(label) for label in labels], dtype=np.int32),
        "label_names": names,
        "groups": np.arange(n) if groups is None else np.asarray(groups, dtype=np.int64),
        "sets": np.array([set_names.index(s) for s in sets], dtype=np.int32),
        "set_names": set_names,
        "patients": rng.integers(-1, 5, n).astype(np.int32),
        "colour": rng.normal(size=(n, 9)).astype(np.float32),
        "nuclear_area": rng.normal(50, 10, n),
        "nc_ratio": np.where(rng.random(n) < 0.2, np.nan, rng.random(n)),
        "cell_size": rng.normal(100, 10, n),
        "keys": rng.integers(0, 2**63, n).astype(np.uint64),
    }
    return ImageFacts(**(facts | other))


def world(seed: int, n: int = 90, d_sae: int = 12, *, labelled: float = 0.9, n_sets: int = 2, repeated: float = 0.3):
    """Return h [images, tokens, latents] and facts; latent 0 never fires, 1 only on the prefix, 2 on few images."""
    rng = np.random.default_rng(seed)
    groups = np.cumsum(rng.random(n) >= repeated)
    groups = np.unique(rng.permutation(groups), return_inverse=True)[1]
    groups = np.argsort(np.argsort(np.unique(groups, return_index=True)[1]))[groups]
    labels = [
        str(rng.choice(["blast", "lymphocyte", "monocyte"])) if rng.random() < labelled else None for _ in range(n)
    ]
    sets = [f"lab {rng.integers(n_sets)}" for _ in range(n)]
    facts = facts_of(n, labels=labels, groups=groups, sets=sets, seed=seed)
    on_image = rng.random((n, 1, d_sae)) < rng.uniform(0.1, 0.9, d_sae)
    h = rng.integers(1, 6, (n, 17, d_sae)) * (rng.random((n, 17, d_sae)) < 0.3) * on_image
    h[:, :, 0], h[:, 1:, 1], h[5:, :, 2] = 0, 0, 0
    return h.astype(np.float32), facts


def totals_of(h: np.ndarray, facts: ImageFacts, first: int = 0, stop: int | None = None) -> PatchTotals:
    """Sums over patches of dense activations, of a range of latents."""
    h, part = h.astype(np.float64), slice(first, stop)
    patches = h[:, PREFIX:]
    n_sets = len(facts.set_names)
    return PatchTotals(
        position_sum=np.rint(patches.sum(axis=0) * 2**30).astype(np.int64)[:, part],
        shape=GRID,
        patches=np.ones(patches.shape[1], dtype=np.int64),
        square_sum=np.square(patches).sum(axis=(0, 1))[part],
        active_patches=np.stack([(patches[facts.sets == s] > 0).sum(axis=(0, 1)) for s in range(n_sets)])[:, part],
        active_tokens=(h > 0).sum(axis=(0, 1))[part],
        n_images=np.bincount(facts.sets, minlength=n_sets),
        prefix_tokens=PREFIX,
    )
