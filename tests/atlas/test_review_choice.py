from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.atlas.review_choice import choose_latents
from cytosae_toolkit.errors import CytosaeError


@pytest.fixture
def latents() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"mean_activation": 10 ** rng.uniform(-5, 0, 400), "frequency": rng.random(400)})
    frame.loc[:3, "mean_activation"] = [np.nan, 0.0, 1e-3, 1.1e-3]
    frame["flag_set"] = np.arange(400) % 2 == 1
    return frame.rename_axis("latent")


def test_latents_are_drawn_from_clusters_above_the_threshold(latents):
    chosen = choose_latents(latents)
    everything = choose_latents(latents, per_cluster=400)["cluster"].value_counts()
    assert chosen["cluster"].value_counts().to_dict() == {c: min(5, everything[c]) for c in range(10)}
    assert len(chosen) >= 45
    assert chosen["latent"].is_monotonic_increasing
    assert chosen["latent"].is_unique
    found = latents.loc[chosen["latent"]]
    assert (found["mean_activation"] > 1e-3).all()
    assert not found["flag_set"].any()
    assert 2 not in choose_latents(latents, per_cluster=400)["latent"].tolist()
    assert 3 in choose_latents(latents, per_cluster=400, hidden=True)["latent"].tolist()


def test_clusters_lie_apart_and_every_option_matters(latents):
    everything = choose_latents(latents, clusters=3, per_cluster=400, min_log10_mean=-9, hidden=True)
    assert len(everything) == 398
    x = latents.loc[everything["latent"], ["mean_activation", "frequency"]]
    x = (x - x.mean()) / x.std(ddof=0)
    centres = x.groupby(everything["cluster"].to_numpy()).mean().to_numpy()
    nearest = ((x.to_numpy()[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == everything["cluster"].to_numpy()).mean() > 0.98
    base = choose_latents(latents)
    assert base.equals(choose_latents(latents))
    for change in ({"clusters": 5}, {"per_cluster": 2}, {"min_log10_mean": -1.5}, {"seed": 1}, {"hidden": True}):
        assert not base.equals(choose_latents(latents, **change))


def test_few_or_equal_latents(latents):
    same = pd.DataFrame({"mean_activation": [0.5, 0.5, 0.1], "frequency": 0.3})
    assert choose_latents(same)["latent"].tolist() == [0, 1, 2]
    with pytest.raises(CytosaeError, match="No unflagged latent"):
        choose_latents(latents, min_log10_mean=3)
