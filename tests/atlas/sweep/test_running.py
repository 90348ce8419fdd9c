from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from cytosae_toolkit.atlas.building import build_atlas
from cytosae_toolkit.atlas.sweep import expand, read_sweep, runs_of, write_tables
from cytosae_toolkit.atlas.sweep.concepts import LatentStatistics
from cytosae_toolkit.atlas.sweep.folder import SweepFolder
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.tokens import TokenStore, compute
from cytosae_toolkit.training import load_run
from cytosae_toolkit.training.trainer import Interrupted, Trainer

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")

GRID = {"expansion": [2, 4], "sae_options.l1_coefficient": [1e-3]}


def weights(out) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(out.glob("runs/*/sae.safetensors"))}


def tables(file, out) -> tuple[str, str]:
    write_tables(SweepFolder(out), runs_of(expand(read_sweep(file)), read_sweep(file).seeds))
    return (out / "runs.csv").read_text(), (out / "sweep.csv").read_text()


def test_every_point_and_seed_is_a_run(sweep_file, sweep, tmp_path):
    outcome = sweep(sweep_file(grid=GRID, seeds=[0, 1]), tmp_path / "s")
    assert len(outcome.trained) == 4
    assert not outcome.failed
    found = weights(tmp_path / "s")
    assert list(found) == sorted(outcome.trained)
    assert len(set(found.values())) == 4
    run = load_run(tmp_path / "s" / "runs" / outcome.trained[3])
    assert (run.config["expansion"], run.config["seed"], run.sae.options.l1_coefficient) == (4, 1, 1e-3)
    record = json.loads((tmp_path / "s" / "sweep.json").read_text())
    assert "expansion" in record["sweep"]


@pytest.mark.parametrize(
    "change",
    [
        {"expansion": 3}, {"layer": 2}, {"lr": 1e-3}, {"sae_options.l1_coefficient": 0.1},
        {"sae_options.b_dec_init": "mean"}, {"sae_options.ghost_grads": False},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_axis_of_the_paper_changes_the_result(sweep_file, sweep, tmp_path, change):
    base = {"steps": 30, "lr": 1e-2, "sae_options": {"dead_feature_window": 1, "l1_coefficient": 0.3}}  # latents die
    outcome = sweep(sweep_file(base=base, points=[{}, change]), tmp_path / "s")
    assert len(outcome.trained) == 2
    assert len(set(weights(tmp_path / "s").values())) == 2


def test_tokens_are_read_once_for_each_layer(sweep_file, sweep, tmp_path, monkeypatch):
    seen, run = [], compute.TokenComputer.run

    def counted(self, images, groups, **more):
        seen.append(sum(len(group.images) for group in groups))
        return run(self, images, groups, **more)

    monkeypatch.setattr(compute.TokenComputer, "run", counted)
    file = sweep_file(grid={"layer": [2, 4], "expansion": [2, 3]}, seeds=[0, 1])
    sweep(file, tmp_path / "s", tokens=tmp_path / "tokens")
    assert sum(seen) == 2 * 24
    assert sorted(len(TokenStore.open(path)) for path in (tmp_path / "tokens").iterdir()) == [24, 24]


def test_one_token_store_cannot_serve_two_layers(sweep_file, sweep, tmp_path):
    sweep(sweep_file(), tmp_path / "one", tokens=tmp_path / "tokens")
    with pytest.raises(CytosaeError, match="one token store, but the points read 2 kinds"):
        sweep(sweep_file(vary={"layer": [1]}), tmp_path / "two", tokens=tmp_path / "tokens")
    assert not (tmp_path / "two").exists()


def test_killed_and_gone_on_is_the_same_to_the_byte(sweep_file, sweep, tmp_path, monkeypatch):
    file = sweep_file(grid=GRID, seeds=[0, 1])
    sweep(file, tmp_path / "whole")
    step, done = Trainer.train_step, []

    def killed(self, tokens):
        done.append(1)
        if len(done) == 12 + 8:  # of the second run, whose last checkpoint is after step 5
            raise KeyboardInterrupt
        return step(self, tokens)

    monkeypatch.setattr(Trainer, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        sweep(file, tmp_path / "again")
    runs = runs_of(expand(read_sweep(file)), (0, 1))
    assert [SweepFolder(tmp_path / "again").state(r) for r in runs] == ["finished", "started", "waiting", "waiting"]
    outcome = sweep(file, tmp_path / "again")
    assert (len(outcome.finished_before), len(outcome.trained)) == (1, 3)
    assert len(done) == 12 + 8 + 7 + 24
    assert weights(tmp_path / "again") == weights(tmp_path / "whole")
    assert tables(file, tmp_path / "again") == tables(file, tmp_path / "whole")


def test_stopping_saves_the_state(sweep_file, sweep, tmp_path):
    file, out = sweep_file(), tmp_path / "s"
    with pytest.raises(Interrupted):
        sweep(file, out, stop=lambda: any(out.glob("runs/*/metrics.csv")))
    assert any(out.glob("runs/*/state/step-*"))
    assert not any(out.glob("failed/*"))


def test_killed_before_the_concepts_are_counted(sweep_file, sweep, tmp_path):
    file = sweep_file()
    name = sweep(file, tmp_path / "s").trained[0]
    statistics = tmp_path / "s" / "statistics" / f"{name}.safetensors"
    before = statistics.read_bytes()
    statistics.unlink()
    assert sweep(file, tmp_path / "s").trained == (name,)
    assert statistics.read_bytes() == before
    assert sweep(file, tmp_path / "s").finished_before == (name,)


def test_shards_and_a_table_are_the_whole(sweep_file, sweep, tmp_path):
    file = sweep_file(grid=GRID, seeds=[0, 1, 2])
    sweep(file, tmp_path / "whole")
    names = [sweep(file, tmp_path / "parts", shard=(index, 2)).trained for index in (1, 0)]
    assert [len(part) for part in names] == [3, 3]
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert tables(file, tmp_path / "parts") == tables(file, tmp_path / "whole")


def test_a_run_that_another_process_trains_is_left_to_it(sweep_file, sweep, tmp_path):
    file = sweep_file(seeds=[0, 1])
    first, second = runs_of(expand(read_sweep(file)), (0, 1))
    with SweepFolder(tmp_path / "s").claim(first.name):
        outcome = sweep(file, tmp_path / "s")
    assert (outcome.elsewhere, outcome.trained) == ((first.name,), (second.name,))
    assert sweep(file, tmp_path / "s").trained == (first.name,)


def test_impossible_points_fail_and_the_others_finish(sweep_file, sweep, tmp_path):
    bad = [
        {"layer": 99}, {"expansion": 0}, {"sae": "topk", "sae_options.k": 500}, {"lr": 1e30, "warmup_steps": 1},
        {"batch_tokens": 10**6},
    ]  # fmt: skip
    file = sweep_file(points=[*bad, {}])
    outcome = sweep(file, tmp_path / "s")
    assert len(outcome.trained) == 1
    reasons = list(outcome.failed.values())
    for word, why in zip(("99", "greater", "500", "finite", "1000000"), reasons, strict=True):
        assert word in why
    tables(file, tmp_path / "s")
    frame = pd.read_csv(tmp_path / "s" / "runs.csv")
    assert list(frame["state"]) == ["failed"] * 5 + ["finished"]
    assert list(frame["error"].dropna()) == reasons


def test_a_failed_run_is_tried_again(sweep_file, sweep, tmp_path, monkeypatch):
    file = sweep_file()
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "fit", lambda self: 1 / 0)
        assert "ZeroDivisionError" in next(iter(sweep(file, tmp_path / "s").failed.values()))
    assert len(sweep(file, tmp_path / "s").trained) == 1
    assert not any((tmp_path / "s" / "failed").iterdir())


def test_missing_and_other_images_are_refused_at_once(sweep_file, sweep, tiny_images, tmp_path):
    with pytest.raises(CytosaeError):
        sweep(sweep_file(), tmp_path / "s", images=tmp_path / "nothing")
    assert not (tmp_path / "s").exists()
    sweep(sweep_file(), tmp_path / "s")
    fewer = shutil.copytree(tiny_images, tmp_path / "fewer")
    next(fewer.rglob("*.png")).unlink()
    with pytest.raises(CytosaeError, match="begun on other images"):
        sweep(sweep_file(), tmp_path / "s", images=fewer)


def test_statistics_are_those_of_an_atlas(sweep_file, sweep, tiny_images, tmp_path):
    name = sweep(sweep_file(), tmp_path / "s").trained[0]
    found = LatentStatistics.load(tmp_path / "s" / "statistics" / f"{name}.safetensors")
    atlas = build_atlas(tmp_path / "s" / "runs" / name, tiny_images, tmp_path / "a.atlas.zarr")
    active = found.frequency > 0
    assert active.any()
    expected = atlas.latents["mean_activation"].to_numpy()
    assert found.mean_activation[active] == pytest.approx(expected[active], rel=1e-5)
    assert found.frequency == pytest.approx(atlas.latents["frequency"].to_numpy())
