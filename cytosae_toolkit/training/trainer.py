"""The training loop. It knows the contract of an SAE, never the variant."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from cytosae_toolkit.devices import autocast
from cytosae_toolkit.distributed import ALONE, Ranks
from cytosae_toolkit.errors import CytosaeError, NotFiniteError
from cytosae_toolkit.interfaces.sae import SparseAutoencoder, StepContext
from cytosae_toolkit.progress import SILENT, Progress, Task
from cytosae_toolkit.training.log import MetricsLog, term_column
from cytosae_toolkit.training.metrics import batch_metrics
from cytosae_toolkit.training.sharing import average_gradients
from cytosae_toolkit.training.state import latest_checkpoint, load_checkpoint, save_checkpoint

LIVE_TOKENS = 1024
SECONDS_BETWEEN_CHECKPOINTS = 120.0
DEAD_WINDOW = 64
"""Steps without firing after which the dead share counts a latent (the paper's kind of dead share)."""


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop; its state is saved.

    Parameters
    ----------
    step : int
        Number of finished steps.
    """

    def __init__(self, step: int) -> None:
        super().__init__(f"interrupted after step {step}")
        self.step = step


class Batches(Protocol):
    """Where batches come from: the batch of a step is a function of the step alone."""

    def iterate(self, start: int, n: int) -> Iterator[Tensor]:
        """Yield the batches of steps `start` … `start + n - 1`."""


@dataclass(frozen=True)
class Schedule:
    """The loop's settings.

    Parameters
    ----------
    steps : int
        Steps in all.
    lr : float
        Learning rate of Adam after the warm-up.
    warmup_steps : int
        Steps of linear warm-up: the first has lr / warmup_steps.
    lr_decay : float
        Last share of the steps, in which the rate falls linearly to 0.
    seed : int
        Seed of the generators that SAEs are given.
    log_every : int
        Steps between rows of the metrics table.
    checkpoint_every : int, optional
        Steps between checkpoints; by default two minutes pass.
    """

    steps: int
    lr: float
    warmup_steps: int
    lr_decay: float
    seed: int
    log_every: int
    checkpoint_every: int | None = None

    def rate(self, step: int) -> float:
        """Return the learning rate of a 0-based step."""
        warmup = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        decaying = self.lr_decay * self.steps
        decay = min(1.0, (self.steps - step) / decaying) if decaying >= 1 else 1.0
        return self.lr * warmup * decay


@dataclass
class Trainer:
    """Trains one SAE, alone or as one of several processes that each have a share of every batch.

    Parameters
    ----------
    sae : SparseAutoencoder
        On its device, initialised.
    batches : Batches
        Source of batches, or of this process's share of them, on the CPU.
    schedule : Schedule
        Settings.
    run : Path
        Run folder; `metrics.csv` and `state/` are written there.
    device, precision : str
        Resolved.
    progress : Progress
        Where to report.
    notify : callable
        Called as ``notify("step", step, metrics)`` and ``notify("checkpoint", step, path)``.
    stop : callable
        Asked after each step; True in any process saves the state and raises `Interrupted` in all.
    ranks : Ranks
        The processes that train together. They must begin with the same weights; the first one writes and reports.
    share : float
        Share of each batch that this process is given; the shares of all add up to 1.
    """

    sae: SparseAutoencoder
    batches: Batches
    schedule: Schedule
    run: Path
    device: str = "cpu"
    precision: str = "float32"
    progress: Progress = SILENT
    notify: Callable[[str, int, Any], None] = lambda kind, step, value: None
    stop: Callable[[], bool] = lambda: False
    ranks: Ranks = ALONE
    share: float = 1.0
    step: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        fused = self.device.startswith("cuda") or self.device == "cpu"
        self.optimizer = torch.optim.Adam(self.sae.parameters(), lr=self.schedule.lr, fused=fused)
        self.log = MetricsLog(self.run / "metrics.csv")
        self._saved_at = time.monotonic()
        self._logged = (0, self._saved_at)

    def restore(self) -> int:
        """Load the newest checkpoint, if there is one, and return the number of finished steps."""
        checkpoint = latest_checkpoint(self.run)
        if checkpoint is not None:
            load_checkpoint(checkpoint, self.sae, self.optimizer)
            self.step = checkpoint.step
        self.log.restore(self.step)
        return self.step

    def fit(self) -> None:
        """Train to the last step; save the state there.

        Raises
        ------
        NotFiniteError
            If the loss or a weight becomes NaN or infinite; the last good state is kept.
        Interrupted
            If `stop` said so; the state is saved.
        CytosaeError
            If a batch does not fit into memory; the last saved state is kept.
        """
        remaining = self.schedule.steps - self.step
        self.sae.train()
        if remaining <= 0:
            return
        with self.progress.task("Training", self.schedule.steps, "steps", done=self.step) as task:
            self._logged = (self.step, time.monotonic())
            for tokens in self.batches.iterate(self.step, remaining):
                with _explain_memory(tokens):
                    terms = self.train_step(tokens.to(self.device, non_blocking=True).to(torch.float32))
                if self.step % self.schedule.log_every == 0 or self.step == self.schedule.steps:
                    self._log(tokens, terms, task)
                task.advance()
                self._save_if_due()
                if self.ranks.any(self.stop()):
                    self.save()
                    self.ranks.barrier()  # whoever ends first makes torchrun end the others, too
                    raise Interrupted(self.step)
        self.save()

    def train_step(self, tokens: Tensor) -> Mapping[str, Tensor]:
        """Do one step on a batch, or on this process's share of it, and return its loss terms, detached."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(self.step)
        self.sae.before_step()
        self.optimizer.zero_grad(set_to_none=True)  # before the loss, which may bring gradients with it
        with autocast(self.device, self.precision):
            terms = self.sae.loss(tokens, self._context())
            loss = torch.stack([term.float() for term in terms.values()]).sum()
        self._check_finite(loss, terms)
        loss.backward()  # type: ignore[no-untyped-call]
        average_gradients(self.sae, self.ranks, self.share)
        self.sae.after_backward()
        self.optimizer.step()
        self.sae.after_step()
        self.ranks.min_(self.sae.steps_since_fired)  # fired anywhere is fired
        self.step += 1
        return {name: term.detach() for name, term in terms.items()}

    def _context(self) -> StepContext:
        generator = step_generator(self.schedule.seed, self.step, self.ranks.rank)
        return StepContext(self.step, generator, self.ranks, self.share)

    def _check_finite(self, loss: Tensor, terms: Mapping[str, Tensor]) -> None:
        if self.device != "cpu" and self.step % self.schedule.log_every:
            return  # asking a GPU for a number makes it wait: only now and then
        if not math.isfinite(float(loss.detach())):
            bad = ", ".join(name for name, term in terms.items() if not math.isfinite(float(term.detach())))
            raise NotFiniteError(
                f"The loss ({bad or 'total'}) is not finite at step {self.step}; the last good state is kept.",
                "Lower --lr, or raise --warmup-steps.",
            )

    def save(self) -> None:
        """Save the state now, in the first process."""
        if not self.ranks.first:
            return
        checkpoint = save_checkpoint(self.run, self.step, self.sae, self.optimizer)
        self._saved_at = time.monotonic()
        self.notify("checkpoint", self.step, checkpoint.path)

    def _save_if_due(self) -> None:
        every = self.schedule.checkpoint_every
        late = time.monotonic() - self._saved_at > SECONDS_BETWEEN_CHECKPOINTS
        if self.step < self.schedule.steps and (late if every is None else self.step % every == 0):
            self.save()

    def _log(self, tokens: Tensor, terms: Mapping[str, Tensor], task: Task) -> None:
        """Write a row of metrics, show it, tell the listeners; all but the loss are measured on the first process."""
        terms = {name: self.ranks.mean_(term.clone(), self.share) for name, term in terms.items()}
        if not self.ranks.first:
            return
        self.sae.eval()
        row = self._row(tokens, terms)
        self.sae.train()
        self.log.append(row)
        task.note(
            f"loss {row['loss']:.4g}  L0 {row['l0']:.1f}  FVU {row['fvu']:.3f}  dead {100 * row['dead_share']:.1f} %  "
            f"{row['tokens_per_second']:,.0f} tokens/s"
        )
        self.notify("step", self.step, row)
        self._logged = (self.step, time.monotonic())

    def _row(self, tokens: Tensor, terms: Mapping[str, Tensor]) -> dict[str, float]:
        values = {term_column(name): float(term) for name, term in terms.items()}
        here = tokens.shape[:-1].numel()
        batch = round(here / self.share)
        step, since = self._logged
        rate = (self.step - step) * batch / max(time.monotonic() - since, 1e-9)
        sample = tokens.reshape(-1, tokens.shape[-1])[:: max(1, here // LIVE_TOKENS)][:LIVE_TOKENS]
        return {
            "step": self.step,
            "tokens": self.step * batch,
            "loss": sum(values.values()),
            **values,
            **batch_metrics(self.sae, sample.to(self.device, torch.float32)),
            "dead_share": dead_share(self.sae),
            "lr": self.schedule.rate(self.step - 1),
            "tokens_per_second": rate,
        }


@contextmanager
def _explain_memory(tokens: Tensor) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise CytosaeError(
            f"Memory ran out in a training step of {tokens.shape[:-1].numel():,} tokens; the last saved state is kept.",
            "Lower --batch-tokens or --expansion, or use --device cpu.",
        ) from error


def dead_share(sae: SparseAutoencoder, window: int = DEAD_WINDOW) -> float:
    """Return the share of latents that did not fire in the last `window` training steps."""
    return float((sae.steps_since_fired >= window).double().mean())


def step_generator(seed: int, step: int, rank: int = 0) -> torch.Generator:
    """Return the generator of a step, a function of the run's seed, the step and the process alone."""
    key = [seed, step, rank] if rank else [seed, step]
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
