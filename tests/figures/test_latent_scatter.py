from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.figures.latent_scatter import MOST_NAMES, UNDEFINED, latent_scatter, scatter_numbers
from cytosae_toolkit.figures.style import save_figure


def latents(n: int = 200, seed: int = 0, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = {"mean_activation": 10 ** rng.uniform(-4.5, -0.5, n), "frequency": rng.uniform(0.01, 1, n)}
    return pd.DataFrame({**table, "label_entropy": rng.uniform(0, 2, n), **columns})


def texts(figure) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def scatters(figure):
    return [axis for axis in figure.subfigs[0].axes if axis.collections and axis.get_xlabel() == "mean activation"]


def test_every_latent_is_a_point_in_the_colour_of_its_entropy():
    table = latents()
    table.loc[:4, "label_entropy"] = np.nan
    (axis,) = scatters(latent_scatter([("MLL23", table)]))
    undefined, known = axis.collections
    assert len(undefined.get_offsets()) == 5
    assert len(known.get_offsets()) == 195
    assert (undefined.get_facecolors()[0][:3] == float(UNDEFINED)).all()
    at = {tuple(point): value for point, value in zip(known.get_offsets().data, known.get_array(), strict=True)}
    for row in table.iloc[5:15].itertuples():
        assert at[row.mean_activation, row.frequency] == row.label_entropy


def test_the_table_counts_latents_over_thresholds_and_those_that_never_fired():
    table = pd.DataFrame({"mean_activation": [0.5, 5e-3, 5e-4, 5e-5, 0.0], "frequency": [1, 0.5, 0.1, 0.1, 0.0]})
    found = texts(latent_scatter([("MLL23", table)]))
    at = found.index("MLL23")
    assert found[at : at + 7] == ["MLL23", "5", "1", "3", "2", "1", "1"]


def test_several_atlases_share_axes_and_colours():
    figure = latent_scatter([("a", latents(seed=1)), ("b", latents(seed=2) * [1e-2, 1, 1]), ("c", latents(seed=3))])
    axes = scatters(figure)
    assert len(axes) == 3
    assert len({axis.get_xlim() for axis in axes}) == len({axis.get_ylim() for axis in axes}) == 1
    assert len({axis.collections[-1].get_clim() for axis in axes}) == 1


def test_marginals_count_all_that_fired():
    (top,) = [a for a in latent_scatter([("a", latents(300))]).subfigs[0].axes if a.get_title(loc="left") == "a"]
    assert sum(bar.get_height() for bar in top.patches) == 300


def test_named_concepts_are_labelled_the_most_active_if_many():
    table = latents(30, name=["" if i % 2 else f"concept {i}" for i in range(30)])
    found = [text for text in texts(latent_scatter([("a", table)])) if text.startswith("concept")]
    assert len(found) == MOST_NAMES
    best = table[table["name"] != ""].nlargest(MOST_NAMES, "mean_activation")["name"]
    assert sorted(found) == sorted(best)


def test_a_name_of_several_latents_is_written_once():
    table = latents(30, name=["granules" if i < 20 else "rods" if i == 20 else "" for i in range(30)])
    found = [text for text in texts(latent_scatter([("a", table)])) if text.startswith(("granules", "rods"))]
    assert sorted(found) == ["granules (20)", "rods"]


def test_published_entropies_are_named_as_such_and_none_are_grey():
    table = latents().rename(columns={"label_entropy": "published_entropy"})
    assert any("As published, not recomputed: bmc." in text for text in texts(latent_scatter([("bmc", table)])))
    (axis,) = scatters(latent_scatter([("hehr", table.drop(columns="published_entropy"))]))
    assert len(axis.collections) == 1


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.filterwarnings("error")
def test_hardly_any_latents_draw(n, tmp_path):
    figure = latent_scatter([("a", latents(n))])
    found = texts(figure)
    assert found[found.index("a") + 1] == str(n)
    assert save_figure(figure, tmp_path / "a.png")[0].stat().st_size > 1000


def test_the_numbers_are_those_of_the_latents():
    table = latents(3, name=["", "rods", ""])
    numbers = scatter_numbers([("a", table), ("b", table)])
    assert numbers["atlas"].tolist() == ["a"] * 3 + ["b"] * 3
    assert numbers["latent"].tolist() == [0, 1, 2] * 2
    assert numbers["name"].tolist() == ["", "rods", ""] * 2
    np.testing.assert_array_equal(numbers["mean_activation"][:3], table["mean_activation"])


def test_49152_points_stay_small_in_vector_formats(tmp_path):
    figure = latent_scatter([("MLL23", latents(49_152))])
    (pdf,) = save_figure(figure, tmp_path / "a.pdf")
    assert pdf.stat().st_size < 3_000_000
