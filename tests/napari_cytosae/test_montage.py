"""A montage in plain words."""

from __future__ import annotations

import numpy as np

from napari_cytosae._facts import Facts
from napari_cytosae._montage import about, concept_montage


def test_the_figure_speaks_plainly(atlas):
    latent = int(atlas.statistics["n_images"].argmax())
    atlas.annotations.add([latent], name="nucleus")
    figure = concept_montage(atlas, [latent, 90], limit=3)
    said = "\n".join(text.get_text() for axes in figure.axes for text in axes.texts).replace("\n", " ")
    assert f"nucleus ({latent})" in said and "candidate concept 90" in said
    assert "found in" in said and "ten best cells:" in said
    assert not any(word in said for word in ("latent", "entropy", "flag"))


def test_words(atlas):
    facts = Facts.of_table(atlas.statistics)
    unknown = int(np.flatnonzero(np.isnan(facts.purity))[0])
    assert about(facts, unknown).startswith("found in ")
