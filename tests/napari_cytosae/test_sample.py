from __future__ import annotations

import numpy as np

from cytosae_toolkit.atlas.reading import open_atlas
from cytosae_toolkit.progress import SILENT
from napari_cytosae import _sample
from napari_cytosae._jobs import JobProgress


def test_the_field_is_the_same_every_time_and_knows_its_scale(monkeypatch):
    pixels, options, kind = _sample.field_layer()
    assert (pixels.shape, pixels.dtype, kind) == ((480, 640, 3), np.uint8, "image")
    assert options["units"] == ("um", "um")
    monkeypatch.setattr("cytosae_toolkit.demo.fields.generate_field", None)
    np.testing.assert_array_equal(_sample.field(), pixels)


def test_the_atlas_is_made_once(monkeypatch, no_loggers, no_trials):
    monkeypatch.setattr(_sample, "N_IMAGES", 16)
    monkeypatch.setattr(_sample, "N_PATIENTS", 2)
    tiny = {"steps": 4, "expansion": 0.5, "batch_tokens": 256, "init_tokens": 256}
    monkeypatch.setattr(_sample, "TRAINING", tiny)
    path = _sample.sample_atlas(JobProgress(SILENT, lambda: False))
    assert open_atlas(path).n_images == 16
    assert not (_sample.sample_folder() / "tokens").exists()
    monkeypatch.setattr("cytosae_toolkit.demo.dataset.write_dataset", None)
    assert _sample.sample_atlas(JobProgress(SILENT, lambda: False)) == path


def test_without_a_window_the_sample_is_the_field(monkeypatch):
    monkeypatch.setattr("napari.current_viewer", lambda: None)
    (layer,) = _sample.open_sample()
    assert layer[1]["name"] == _sample.NAME
