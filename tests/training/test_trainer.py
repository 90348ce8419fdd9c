from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from safetensors.torch import save

from cytosae_toolkit.distributed import Place, Ranks
from cytosae_toolkit.errors import CytosaeError, NotFiniteError
from cytosae_toolkit.training.state import latest_checkpoint, state_tensors
from cytosae_toolkit.training.trainer import Interrupted, Schedule, Trainer, dead_share, step_generator


@pytest.fixture
def trainer(toy, formula_batches, tmp_path):
    """Return a function that makes a trainer of the toy variant; equal arguments, equal training."""

    def make(steps=20, run="run", spoil=None, schedule=None, **more):
        settings = {"lr": 1e-2, "warmup_steps": 4, "lr_decay": 0.0, "seed": 3, "log_every": 5, "checkpoint_every": 5}
        return Trainer(
            sae=toy(),
            batches=formula_batches(spoil=spoil),
            schedule=Schedule(steps=steps, **(settings | (schedule or {}))),
            run=tmp_path / run,
            **more,
        )

    (tmp_path / "run").mkdir()
    (tmp_path / "other").mkdir()
    return make


def state_of(trainer) -> bytes:
    return save(state_tensors(trainer.sae, trainer.optimizer))


def test_a_variant_that_it_does_not_know_learns(trainer):
    trained = trainer(steps=60)
    before = next(iter(trained.batches.iterate(1000, 1)))

    def error() -> float:
        return (trained.sae.decode(trained.sae.encode(before)) - before).square().mean().item()

    untrained = error()
    trained.fit()
    assert error() < 0.5 * untrained
    assert trained.step == 60


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError])
def test_a_batch_that_does_not_fit_is_one_sentence(trainer, kind):
    trained = trainer(steps=20)

    def loss(tokens, context):
        if context.step == 7:
            raise kind("12 GiB")
        return type(trained.sae).loss(trained.sae, tokens, context)

    trained.sae.loss = loss
    with pytest.raises(CytosaeError, match=r"ran out in a training step of \d+ tokens; .* Lower --batch-tokens"):
        trained.fit()
    assert latest_checkpoint(trained.run).step == 5


def test_the_order_within_a_step(trainer):
    trained = trainer(steps=2)
    trained.fit()
    assert trained.sae.calls == 2 * ["before_step", "loss", "after_backward", "after_step"]


@pytest.mark.parametrize("before", [3, 5, 10])
def test_resumed_is_uninterrupted_bit_for_bit(trainer, before):
    straight, first, second = trainer(run="run"), trainer(run="other"), trainer(run="other")
    straight.fit()
    first.stop = lambda: first.step == before
    with pytest.raises(Interrupted):
        first.fit()
    assert second.restore() == before
    second.fit()
    assert state_of(second) == state_of(straight)  # weights, moments, firing counters
    assert (second.run / "state/step-00000020/state.safetensors").read_bytes() == (
        straight.run / "state/step-00000020/state.safetensors"
    ).read_bytes()
    ours, theirs = (np.genfromtxt(t.run / "metrics.csv", delimiter=",", names=True) for t in (second, straight))
    for name in set(ours.dtype.names) - {"tokens_per_second"}:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_more_steps_continue(trainer):
    trainer(steps=10, run="run").fit()
    longer, straight = trainer(steps=20, run="run"), trainer(steps=20, run="other")
    assert longer.restore() == 10
    longer.fit()
    straight.fit()
    assert state_of(longer) == state_of(straight)  # the rate is constant here, so nothing else depends on the end


def test_a_finished_run_does_nothing_more(trainer):
    done = trainer(steps=10)
    done.fit()
    again = trainer(steps=10)
    again.restore()
    again.fit()
    assert again.sae.calls == []


def test_another_seed_is_another_training(trainer):
    first, second = trainer(run="run"), trainer(run="other", schedule={"seed": 4})
    first.fit()
    second.fit()
    assert state_of(first) != state_of(second)


def test_each_step_gets_its_own_generator(trainer):
    trained, drawn = trainer(steps=4), []
    real = trained.sae.loss

    def loss(tokens, context):
        drawn.append((context.step, float(torch.rand((), generator=context.generator))))
        return real(tokens, context)

    trained.sae.loss = loss
    trained.fit()
    assert drawn == [(step, float(torch.rand((), generator=step_generator(3, step)))) for step in range(4)]


def test_warm_up_is_linear_and_decay_reaches_zero_after_the_last_step():
    schedule = Schedule(steps=100, lr=2.0, warmup_steps=10, lr_decay=0.2, seed=0, log_every=1)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[10:81] == pytest.approx([2.0] * 71)
    assert rates[80:] == pytest.approx([0.1 * (100 - step) for step in range(80, 100)])


def test_the_papers_schedule_is_constant_after_the_warm_up():
    schedule = Schedule(steps=15_625, lr=4e-4, warmup_steps=500, lr_decay=0.0, seed=0, log_every=1)
    assert schedule.rate(0) == pytest.approx(4e-4 / 500)
    assert schedule.rate(249) == pytest.approx(2e-4)
    assert {schedule.rate(step) for step in range(499, 15_625)} == {4e-4}


def test_no_warm_up_starts_at_the_full_rate():
    assert Schedule(steps=5, lr=1.0, warmup_steps=0, lr_decay=0.0, seed=0, log_every=1).rate(0) == 1.0


def test_the_optimiser_gets_the_rate_of_the_schedule(trainer):
    trained, seen = trainer(steps=6), []
    trained.sae.after_backward = lambda: seen.append(trained.optimizer.param_groups[0]["lr"])
    trained.fit()
    assert seen == [trained.schedule.rate(step) for step in range(6)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_the_step_and_keeps_the_last_good_state(trainer, value):
    spoilt, straight = trainer(run="run", spoil={7: value}), trainer(run="other")
    with pytest.raises(NotFiniteError, match=r"loss \(error.*not finite at step 7; the last good state is kept"):
        spoilt.fit()
    assert latest_checkpoint(spoilt.run).step == 5
    repaired = trainer(run="run")
    assert repaired.restore() == 5
    repaired.fit()
    straight.fit()
    assert state_of(repaired) == state_of(straight)


def test_a_weight_that_is_not_finite_is_not_saved(trainer):
    broken = trainer()
    broken.sae.after_step = lambda: broken.sae.W_enc.data.fill_(float("inf")) if broken.step == 8 else None
    broken.sae.loss = lambda tokens, context: {"error": broken.sae.b_dec.square().sum()}  # which no loss shows
    with pytest.raises(NotFiniteError, match=r"sae.W_enc is not finite after step 10"):
        broken.fit()
    assert latest_checkpoint(broken.run).step == 5


def test_stop_saves_and_says_where(trainer):
    stopped = trainer(schedule={"checkpoint_every": None})
    stopped.stop = lambda: stopped.step == 7
    with pytest.raises(Interrupted, match="after step 7") as caught:
        stopped.fit()
    assert caught.value.step == latest_checkpoint(stopped.run).step == 7
    assert isinstance(caught.value, KeyboardInterrupt)


def test_listeners_hear_of_steps_and_checkpoints(trainer):
    heard = []
    trainer(steps=12, notify=lambda kind, step, value: heard.append((kind, step))).fit()
    assert heard == [("step", 5), ("checkpoint", 5), ("step", 10), ("checkpoint", 10), ("step", 12), ("checkpoint", 12)]


def test_without_a_number_of_steps_time_decides_when_to_save(trainer, monkeypatch):
    saves = Counter()
    rare = trainer(schedule={"checkpoint_every": None}, notify=lambda kind, step, value: saves.update([kind]))
    rare.fit()
    assert saves["checkpoint"] == 1
    monkeypatch.setattr("cytosae_toolkit.training.trainer.SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    often = trainer(run="other", schedule={"checkpoint_every": None}, notify=lambda kind, *_: saves.update([kind]))
    often.fit()
    assert saves["checkpoint"] == 1 + 20


def test_rows_have_the_loss_terms_and_metrics(trainer):
    rows = []
    trainer(notify=lambda kind, step, value: rows.append(value) if kind == "step" else None).fit()
    row = rows[-1]
    assert list(row) == [
        "step", "tokens", "loss", "error", "loss_l0", "fvu", "l0", "dead_share", "lr", "tokens_per_second"
    ]  # fmt: skip
    assert (row["step"], row["tokens"], row["lr"]) == (20, 320, 1e-2)
    assert row["loss"] == pytest.approx(row["error"] + row["loss_l0"])
    assert row["tokens_per_second"] > 0


def test_tokens_per_second_counts_only_this_session(trainer, monkeypatch):
    first = trainer(schedule={"log_every": 10})
    first.stop = lambda: first.step == 8
    with pytest.raises(Interrupted):
        first.fit()
    second, rows = trainer(schedule={"log_every": 10}), []
    second.notify = lambda kind, step, value: rows.append(value) if kind == "step" else None
    second.restore()
    monkeypatch.setattr("time.monotonic", lambda: float(second.step))
    second.fit()
    assert [row["tokens_per_second"] for row in rows] == [16, 16]  # a step of 16 tokens takes a second here


def test_progress_shows_what_matters(trainer):
    from contextlib import contextmanager

    notes, done = [], []

    class Recorder:
        @contextmanager
        def task(self, description, total, unit, done=0):
            yield self

        def advance(self, n=1):
            done.append(n)

        def note(self, text):
            notes.append(text)

    trainer(progress=Recorder()).fit()
    assert sum(done) == 20
    assert all(word in notes[-1] for word in ("loss", "L0", "FVU", "dead", "tokens/s"))


def test_dead_share_counts_latents_silent_for_the_window(toy):
    sae = toy(4, 8)
    sae.steps_since_fired[:] = torch.tensor([0, 1, 63, 64, 65, 1000, 2, 3])
    assert dead_share(sae) == 3 / 8
    assert dead_share(sae, window=1) == 7 / 8


def test_generators_differ_by_seed_and_step():
    draws = {
        (seed, step): float(torch.rand((), generator=step_generator(seed, step)))
        for seed in (0, 1)
        for step in (0, 1, 2**32 - 1)
    }
    assert len(set(draws.values())) == 6
    assert draws[1, 1] == float(torch.rand((), generator=step_generator(1, 1)))


def test_bfloat16_is_another_precision(trainer):
    exact, rough = trainer(run="run"), trainer(run="other", precision="bfloat16")
    exact.fit()
    rough.fit()
    assert state_of(exact) != state_of(rough)
    assert rough.sae.W_enc.dtype == torch.float32


class OneOfTwo(Ranks):
    """One of two processes whose other one does the same, and may want to stop."""

    def __init__(self, rank, other_stops=False):
        super().__init__(Place(rank, 2, rank, 2), "cpu")
        self.other_stops, self.barriers = other_stops, 0

    def any(self, flag):
        return flag or self.other_stops

    def barrier(self):
        self.barriers += 1


def test_only_the_first_process_writes_and_reports(trainer):
    told = []
    second = trainer(ranks=OneOfTwo(1), share=0.5, notify=lambda *event: told.append(event))
    second.fit()
    assert (second.step, told) == (20, [])
    assert not list(second.run.iterdir())
    first = trainer(ranks=OneOfTwo(0), share=0.5)
    first.fit()
    assert latest_checkpoint(first.run).step == 20
    assert [row["tokens"] for row in first.log.rows] == [32 * step for step in (5, 10, 15, 20)]  # of both


@pytest.mark.parametrize("rank", [0, 1])
def test_whoever_wants_to_stop_stops_all_once_the_state_is_saved(trainer, rank):
    stopped = trainer(ranks=OneOfTwo(rank, other_stops=True), share=0.5)
    with pytest.raises(Interrupted):
        stopped.fit()
    assert (latest_checkpoint(stopped.run) is None) == (rank == 1)
    assert stopped.ranks.barriers == 1


def test_processes_draw_independently():
    seeds = [step_generator(3, 5, rank).initial_seed() for rank in (0, 1, 2)]
    assert seeds[0] == step_generator(3, 5).initial_seed()
    assert len(set(seeds)) == 3
