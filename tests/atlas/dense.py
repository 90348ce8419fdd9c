"""Every statistic of an atlas once more, by the plainest NumPy: dense arrays, one latent after the other.

The definitions are those of the documentation, not of the code: nothing is imported from it but the tables that say
what the images are, the hash that stands for chance, and constants.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cytosae_toolkit.atlas.columns import Columns, ImageFacts
from cytosae_toolkit.atlas.label_statistics import DRAWS, SEED
from cytosae_toolkit.atlas.sampling import priority

Values = dict[str, Any]


def dense_statistics(
    h: np.ndarray, facts: ImageFacts, *, prefix_tokens: int, grid: tuple[int, int], k: int, reservoir: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the columns of `var` and the arrays of `varm` (without flags) of all latents.

    Parameters
    ----------
    h : float array [images, tokens, latents]
        Activations, prefix tokens first.
    facts : ImageFacts
        What is known of the images.
    prefix_tokens, grid : int, tuple of int
        Layout of the tokens; each patch is a position of its own.
    k, reservoir : int
        References per latent; random images per latent of which the typical ones are chosen.
    """
    rows = [one_latent(h[:, :, s], s, facts, prefix_tokens, grid, k, reservoir) for s in range(h.shape[2])]
    var = {name: np.array([row[0][name] for row in rows]) for name in rows[0][0]}
    varm = {name: np.stack([row[1][name] for row in rows]) for name in rows[0][1]}
    return var, varm


def one_latent(
    h: np.ndarray, s: int, facts: ImageFacts, prefix: int, grid: tuple[int, int], k: int, reservoir: int
) -> tuple[Values, Values]:
    """Return everything of one latent, h [images, tokens]."""
    patches = h[:, prefix:].astype(np.float64)
    m = h.astype(np.float64).mean(axis=1).astype(np.float32)
    peak = np.where(patches.max(axis=1) > 0, patches.argmax(axis=1), -1)
    everywhere = np.ones(len(m), dtype=bool)
    best = references(m, facts.groups, k, everywhere)
    var: Values = {
        **basics(m, patches, everywhere),
        "n_images": int((m > 0).sum()),
        "n_groups": len(set(facts.groups[m > 0])),
        "density_tokens": (h > 0).mean(),
        "n_references": len(best),
        "n_reference_patients": len({facts.patients[row] for row in best} - {-1}),
        "n_reference_sets": len({facts.sets[row] for row in best}),
        "position_r2": position_r2(patches[m > 0]),
        "off_centre": off_centre(m, peak, facts, grid),
        "border_share": border_share(patches, grid),
        "colour_r2": colour_r2(m, facts),
        "reproducibility": reproducibility(m, facts),
        **{f"{name}_r": correlation(m, facts, getattr(facts, name)) for name in MEASURES},
    }
    var["set_auroc"], var["set_auroc_set"] = set_auroc(m, facts)
    dominant = None
    if (facts.labels >= 0).any():
        labels = label_statistics(m, facts)
        dominant = labels["dominant_label"]
        var |= labels
    varm: Values = {
        **placed(m, peak, best, k, ""),
        "histogram": np.histogram(np.clip(np.log10(m[m > 0]), -6, 4 - 1e-9), bins=np.linspace(-6, 4, 41))[0],
        "miss_rows": near_misses(m, s, facts, dominant),
    }
    varm["typical_rows"], varm["typical_peaks"] = typical(m, peak, s, facts, reservoir)
    for code, name in enumerate(facts.set_names):
        inside = facts.sets == code
        own = basics(m, patches, inside)
        numbers = [own[column] for column in ("mean_activation", "frequency", "density", "max_activation")]
        varm[f"stats:{name}"] = np.array([*numbers, label_entropy(*labelled_references(m, facts, inside))])
        varm |= placed(m, peak, references(m, facts.groups, k, inside), k, f":{name}")
    return var, varm


MEASURES = ("nuclear_area", "nc_ratio", "cell_size")


def basics(m: np.ndarray, patches: np.ndarray, images: np.ndarray) -> Values:
    m, patches = m[images], patches[images]
    return {
        "mean_activation": m[m > 0].astype(np.float64).mean() if (m > 0).any() else 0.0,
        "frequency": (m > 0).mean(),
        "density": (patches > 0).mean(),
        "max_activation": patches.max(),
    }


def references(m: np.ndarray, groups: np.ndarray, k: int, allowed: np.ndarray) -> list[int]:
    """Rows of the k best images, best first, the earlier row among equals, one per group."""
    chosen: list[int] = []
    for row in sorted(np.flatnonzero((m > 0) & allowed), key=lambda row: (-m[row], row)):
        if groups[row] not in groups[chosen] and len(chosen) < k:
            chosen.append(int(row))
    return chosen


def placed(m: np.ndarray, peak: np.ndarray, chosen: list[int], k: int, suffix: str) -> Values:
    empty = k - len(chosen)
    return {
        f"ref_rows{suffix}": np.array([*chosen, *[-1] * empty]),
        f"ref_values{suffix}": np.array([*m[chosen], *[np.nan] * empty]),
        f"ref_peaks{suffix}": np.array([*peak[chosen], *[-1] * empty]),
    }


def group_label(facts: ImageFacts, group: int) -> str | None:
    """Label of most labelled images of a group, the one that comes first among equals."""
    codes = [int(code) for code in facts.labels[facts.groups == group] if code >= 0]
    return facts.label_names[max(codes, key=codes.count)] if codes else None


def labelled_references(m: np.ndarray, facts: ImageFacts, allowed: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Image means and labels of the ten best labelled references."""
    chosen = references(m, facts.groups, 10, allowed & (facts.labels >= 0))
    return m[chosen].astype(np.float64), [group_label(facts, facts.groups[row]) for row in chosen]


def label_entropy(weights: np.ndarray, labels: list[str]) -> float:
    if len(labels) < 10:
        return np.nan
    p = np.array([weights[np.array(labels) == label].sum() / weights.sum() for label in sorted(set(labels))])
    return float(-(p * np.log(p)).sum())


def label_statistics(m: np.ndarray, facts: ImageFacts) -> Values:
    weights, labels = labelled_references(m, facts, np.ones(len(m), dtype=bool))
    shares = {c: weights[np.array(labels) == c].sum() / weights.sum() for c in sorted(set(labels))}
    dominant = max(shares, key=lambda c: shares[c], default="")
    pool = [label for group in range(facts.n_groups) if (label := group_label(facts, group)) is not None]
    shuffled = np.nan
    if len(labels) == 10:
        rng = np.random.default_rng(SEED)
        draws = [rng.choice(len(pool), 10, replace=False) for _ in range(DRAWS)]
        shuffled = np.mean([label_entropy(weights, [pool[group] for group in draw]) for draw in draws])
    active = [group_label(facts, group) for group in set(facts.groups[(m > 0) & (facts.labels >= 0)])]
    best = max(sorted(set(active)), key=active.count, default="")
    return {
        "label_entropy": label_entropy(weights, labels),
        "label_entropy_shuffled": shuffled,
        "dominant_label": dominant,
        "dominant_share": shares[dominant] if len(labels) == 10 else np.nan,
        "best_label": best,
        "best_precision": active.count(best) / len(active) if active else np.nan,
    }


def typical(
    m: np.ndarray, peak: np.ndarray, s: int, facts: ImageFacts, reservoir: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and peaks of up to three random images of each quartile."""
    active = np.flatnonzero(m > 0)
    drawn = priority(s, facts.keys[active])
    by_chance = [int(active[i]) for i in np.lexsort((active, drawn))][:reservoir]
    rising = np.sort(m[active])
    edges = [rising[int(np.ceil(len(active) * q / 4)) - 1] for q in (1, 2, 3)] if len(active) else []
    quartiles: list[list[int]] = [[], [], [], []]
    seen: set[int] = set()
    for row in by_chance:
        quartile = quartiles[sum(m[row] > edge for edge in edges)]
        if facts.groups[row] not in seen:
            seen.add(facts.groups[row])
            quartile.append(row)
    rows = [row for quartile in quartiles for row in [*quartile[:3], -1, -1, -1][:3]]
    return np.array(rows), np.array([peak[row] if row >= 0 else -1 for row in rows])


def near_misses(m: np.ndarray, s: int, facts: ImageFacts, dominant: str | None) -> np.ndarray:
    """Rows of three images of the dominant label, one per group, of groups on which the latent is silent."""
    ring = []
    for row in np.lexsort((np.arange(len(m)), facts.keys)):
        group = facts.groups[row]
        if facts.labels[row] >= 0 and dominant == group_label(facts, group) and group not in facts.groups[ring]:
            ring.append(int(row))
    start = int(priority(s, np.zeros(1, dtype=np.uint64))[0] % np.uint64(max(len(ring), 1)))
    silent = [row for row in ring[start:] + ring[:start] if not (m[facts.groups == facts.groups[row]] > 0).any()]
    return np.array([*silent, -1, -1, -1][:3])


def position_r2(patches: np.ndarray) -> float:
    """R² of a mean per patch position over the images on which the latent is active, adjusted."""
    n, positions = patches.size, patches.shape[1]
    if not patches.sum() or n <= positions:
        return np.nan
    residual = np.square(patches - patches.mean(axis=0)).sum() / np.square(patches - patches.mean()).sum()
    return max(0.0, 1 - residual * (n - 1) / (n - positions))


def border_share(patches: np.ndarray, grid: tuple[int, int]) -> float:
    maps = patches.sum(axis=0).reshape(grid)
    return (maps.sum() - maps[1:-1, 1:-1].sum()) / maps.sum() if maps.sum() else np.nan


def off_centre(m: np.ndarray, peak: np.ndarray, facts: ImageFacts, grid: tuple[int, int]) -> float:
    """Squared mean of the places of the 20 best references' peaks about the centre, over their mean square."""
    peaks = [peak[row] for row in references(m, facts.groups, 20, np.ones(len(m), dtype=bool)) if peak[row] >= 0]
    if len(peaks) < 10:
        return np.nan
    places = (np.stack(np.unravel_index(peaks, grid), axis=1) + 0.5) / grid - 0.5
    return np.square(places.mean(axis=0)).sum() / np.square(places).sum(axis=1).mean()


def first_images(facts: ImageFacts) -> np.ndarray:
    """Which images are the first of their group."""
    return np.array([not (facts.groups[:row] == facts.groups[row]).any() for row in range(len(facts))])


def colour_r2(m: np.ndarray, facts: ImageFacts) -> float:
    """Cross-validated R² of a ridge regression by scikit-learn, about the means of labels."""
    from sklearn.linear_model import Ridge

    groups = [group_label(facts, group) for group in facts.groups]
    labelled = any(label is not None for label in groups)
    labels = np.array(["" if label is None else label for label in groups])
    use = first_images(facts) & np.isfinite(facts.colour).all(axis=1) & ((labels != "") | (not labelled))
    use &= np.array([(labels[use] == label).sum() >= 10 for label in labels])
    if use.sum() < 60:
        return np.nan

    def centre(x):
        return x - np.stack([x[labels[use] == label].mean(axis=0) for label in labels[use]])

    def standardise(x):
        spread = x.std(axis=0)
        return np.clip((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1), -3, 3)

    y = centre(m[use].astype(np.float64))
    if np.square(y).sum() <= 1e-12 * np.square(m[use].astype(np.float64)).sum():
        return np.nan
    x = standardise(facts.colour[use, : 9 if labelled else 3].astype(np.float64))
    x = standardise(centre(np.hstack([x, x**2])))
    fold = (priority(-1, facts.keys[use]) % np.uint64(5)).astype(int)
    predicted = np.zeros(len(y))
    for f in set(fold):
        if (fold != f).any():
            model = Ridge(alpha=1.0, fit_intercept=False).fit(x[fold != f], y[fold != f])
            predicted[fold == f] = model.predict(x[fold == f])
    return max(0.0, 1 - np.square(y - predicted).sum() / np.square(y).sum())


def correlation(m: np.ndarray, facts: ImageFacts, quantity: np.ndarray) -> float:
    use = first_images(facts) & np.isfinite(quantity)
    if use.sum() < 10 or np.ptp(m[use]) == 0 or np.ptp(quantity[use]) == 0:
        return np.nan
    return float(np.corrcoef(m[use].astype(np.float64), quantity[use])[0, 1])


def reproducibility(m: np.ndarray, facts: ImageFacts) -> float:
    """ICC(1,1) by one-way analysis of variance."""
    cells = [m[facts.groups == group].astype(np.float64) for group in range(facts.n_groups)]
    cells = [cell for cell in cells if len(cell) >= 2]
    if len(cells) < 10 or np.ptp(np.concatenate(cells)) == 0:
        return np.nan
    sizes, n = np.array([len(cell) for cell in cells]), sum(len(cell) for cell in cells)
    grand = np.concatenate(cells).mean()
    between = sum(len(cell) * (cell.mean() - grand) ** 2 for cell in cells) / (len(cells) - 1)
    within = sum(np.square(cell - cell.mean()).sum() for cell in cells) / (n - len(cells))
    n_0 = (n - (sizes**2).sum() / n) / (len(cells) - 1)
    return (between - within) / (between + (n_0 - 1) * within)


def set_auroc(m: np.ndarray, facts: ImageFacts) -> tuple[float, str]:
    """Largest max(AUROC, 1 - AUROC) of a set, over pairs of images with one label, one image per group."""
    use = np.flatnonzero(first_images(facts))
    if (facts.labels >= 0).any():
        labels = {row: group_label(facts, facts.groups[row]) for row in use}
        use = np.array([row for row in use if labels[row] is not None])
    else:
        labels = dict.fromkeys(use, "")
    strengths: dict[str, tuple[float, bool]] = {}
    for code, name in enumerate(facts.set_names):
        pairs = [
            (m[a], m[b]) for a in use for b in use if facts.sets[a] == code != facts.sets[b] and labels[a] == labels[b]
        ]
        if len(pairs) >= 100:
            auroc = np.mean([(x > y) + 0.5 * (x == y) for x, y in pairs])
            strengths[name] = (round(max(auroc, 1 - auroc), 12), auroc >= 0.5)
    if not strengths:
        return np.nan, ""
    best = max(strengths, key=lambda name: strengths[name])
    return strengths[best][0], best


def columns_of(h: np.ndarray, prefix_tokens: int, first: int = 0, stop: int | None = None) -> Columns:
    """Return latents ``first … stop-1`` of dense activations as columns."""
    means = h.astype(np.float64).mean(axis=1).astype(np.float32)[:, first:stop]
    h = h[:, :, first:stop]
    latent, rows = np.nonzero(means.T)
    largest = h[:, prefix_tokens:].max(axis=1)
    peaks = np.where(largest > 0, h[:, prefix_tokens:].argmax(axis=1), -1)
    return Columns(
        first=first,
        n_latents=h.shape[2],
        n_images=len(h),
        indptr=np.searchsorted(latent, np.arange(h.shape[2] + 1)),
        rows=rows,
        mean=means[rows, latent],
        max=largest[rows, latent].astype(np.float32),
        value=(h[:, prefix_tokens:] > 0).sum(axis=1)[rows, latent].astype(np.float32),
        peak=peaks[rows, latent].astype(np.int32),
    )
