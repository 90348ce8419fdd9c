import numpy as np

from napari_cytosae._pictures import AtlasPictures


def unkept(atlas):
    """A latent, and an image on which it is active and whose heat map the atlas does not keep."""
    for latent in range(atlas.d_sae):
        for row in atlas.column(latent)[0].tolist():
            if atlas.heatmap(latent, row) is None:
                return latent, row
    raise AssertionError("all are kept")


def test_kept_maps_come_from_the_atlas(atlas):
    latent = int(atlas.statistics["n_images"].argmax())
    row = atlas.references(latent)[0].row
    assert np.array_equal(AtlasPictures(atlas).heatmap(latent, row), atlas.heatmap(latent, row))


def test_others_are_computed_where_nothing_is_downloaded_for_it(atlas, explorer):
    latent, row = unkept(atlas)
    assert AtlasPictures(atlas).heatmap(latent, row) is None
    assert AtlasPictures(atlas, explorer).heatmap(latent, row) is None
    explorer.offline = True
    computed = AtlasPictures(atlas, explorer).heatmap(latent, row)
    rows, _ = atlas.column(latent)
    assert row in rows and computed.shape == atlas.grid


def test_missing_weights_are_no_error(atlas, explorer, monkeypatch):
    from cytosae_toolkit.errors import CytosaeError

    def refuse(*_):
        raise CytosaeError("no weights")

    explorer.offline = True
    monkeypatch.setattr(explorer, "read", refuse)
    assert AtlasPictures(atlas, explorer).heatmap(*unkept(atlas)) is None
