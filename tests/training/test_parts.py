from __future__ import annotations

import pytest

from cytosae_toolkit.training import train

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


def test_options_that_the_backbone_was_tuned_for_apply_unless_given(tiny_config, monkeypatch):
    tuned = {"l1_coefficient": 0.5}
    monkeypatch.setattr("cytosae_toolkit.training.parts.tuned_options", lambda backbone, sae: tuned)
    monkeypatch.setattr("cytosae_toolkit.training.recording.tuned_options", lambda backbone, sae: tuned)
    run = train(tiny_config())
    assert run.sae.options.l1_coefficient == 0.5
    assert run.record["origins"]["sae_options"] == "backbone"
    given = train(tiny_config(sae_options={"l1_coefficient": 0.25}), force=True)
    assert given.sae.options.l1_coefficient == 0.25
    assert given.record["origins"]["sae_options"] == "option"
