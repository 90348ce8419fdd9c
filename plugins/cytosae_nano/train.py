"""Train the demonstration backbone on generated smears, without labels.

python -m cytosae_nano.train --out nano.safetensors --seed 0
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from cytosae_nano.augment import random_crops, random_stains
from cytosae_nano.masked import LossTerms, MaskedAutoencoder, draw_patches
from cytosae_nano.pool import POOL_SIZE, make_pool
from cytosae_toolkit.files import atomic_path

VISIBLE_SHARES: tuple[float, ...] = (0.25, 0.25, 0.25, 0.6)
"""Shares of the patches that the encoder sees, in turn from batch to batch."""


@dataclass(frozen=True)
class Recipe:
    """Everything that fixes the weights on one machine.

    Attributes
    ----------
    seed : int
        Seed of pool, weights and batches.
    steps : int
        Length of the schedule in batches.
    scenes : int
        Scenes in the pool.
    batch : int
        Pictures per batch.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises over 5 % of the steps and then falls as a cosine.
    pool_size : int
        Width of a pool picture in pixels.
    bfloat16 : bool
        Whether matrix products run in bfloat16.
    """

    seed: int = 0
    steps: int = 1800
    scenes: int = 4000
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    pool_size: int = POOL_SIZE
    bfloat16: bool = True


@dataclass(frozen=True)
class Progress:
    """What happened in one step; `loss` is the total, the other two its parts (see `LossTerms`)."""

    step: int
    loss: float
    hidden: float
    visible: float


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate of a step: linear warm-up, then a cosine down to 1 % of the peak."""
    warmup = max(1, recipe.steps // 20)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    part = (step - warmup) / max(1, recipe.steps - warmup)
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part)))


def train(model: MaskedAutoencoder, pool: torch.Tensor, recipe: Recipe) -> Iterator[Progress]:
    """Train in place, one step per item.

    Parameters
    ----------
    model : MaskedAutoencoder
        Changed in place.
    pool : uint8 tensor [N, 3, 3, H, W]
        From `make_pool`.
    recipe : Recipe
        Schedule and seed.

    Yields
    ------
    Progress
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(_groups(model, recipe), lr=recipe.learning_rate, betas=(0.9, 0.95))
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        terms = _losses(model, pool, recipe, step, generator)
        optimizer.zero_grad(set_to_none=True)
        terms.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield Progress(step, terms.total.item(), terms.hidden.item(), terms.visible.item())


def _losses(
    model: MaskedAutoencoder, pool: torch.Tensor, recipe: Recipe, step: int, generator: torch.Generator
) -> LossTerms:
    """Draw a batch of scenes, each in one of its stains beside the reference stain, and return its loss."""
    scenes = torch.randint(len(pool), (recipe.batch,), generator=generator)
    stain = torch.randint(pool.shape[1] - 1, (recipe.batch,), generator=generator)
    pairs = torch.cat([pool[scenes, stain], pool[scenes, -1]], 1).float() / 255
    pairs = random_crops(pairs, generator)
    pictures, targets = random_stains(pairs[:, :3], generator), pairs[:, 3:]
    share = VISIBLE_SHARES[step % len(VISIBLE_SHARES)]
    visible, hidden = draw_patches(recipe.batch, model.positions.shape[1], share, generator)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.bfloat16):
        terms: LossTerms = model(pictures, targets, visible, hidden)
    return terms


def _groups(model: MaskedAutoencoder, recipe: Recipe) -> list[dict[str, object]]:
    """Split the parameters: matrices decay, vectors and positions do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def save(model: MaskedAutoencoder, path: Path, recipe: Recipe, steps_done: int) -> None:
    """Write the encoder alone, float16, under timm's own names; the recipe goes into the metadata."""
    weights = {k: v.detach().to(torch.float16).contiguous() for k, v in model.encoder.state_dict().items()}
    metadata = {name: str(value) for name, value in asdict(recipe).items()}
    metadata |= {"steps_done": str(steps_done), "objective": "masked autoencoder, target in reference stain"}
    with atomic_path(path) as temporary:
        save_file(weights, temporary, metadata=metadata)


def run(recipe: Recipe, out: Path, *, minutes: float, workers: int) -> None:
    """Make the pool, train, print progress, save every 200 steps and at the end.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    out : Path
        Weights file.
    minutes : float
        Stop earlier if the steps take longer than this.
    workers : int
        Processes that paint the pool.
    """
    start = time.monotonic()
    torch.manual_seed(recipe.seed)
    model = MaskedAutoencoder()
    pool = make_pool(recipe.scenes, recipe.seed, size=recipe.pool_size, workers=workers)
    print(f"pool {tuple(pool.shape)} after {time.monotonic() - start:.0f} s", flush=True)  # noqa: T201
    mean, done = 0.0, 0
    for progress in train(model, pool, recipe):
        done = progress.step + 1
        mean = progress.loss if done == 1 else 0.98 * mean + 0.02 * progress.loss
        spent = time.monotonic() - start
        if done % 50 == 0:
            print(f"step {done}/{recipe.steps}  loss {mean:.4f}  {spent:.0f} s", flush=True)  # noqa: T201
        if done % 200 == 0:
            save(model, out, recipe, done)
        if spent > 60 * minutes:
            break
    save(model, out, recipe, done)


def main() -> None:
    """Parse the command line and run."""
    defaults = Recipe()
    parser = argparse.ArgumentParser(description="Train the demonstration backbone on generated smears.")
    parser.add_argument("--out", type=Path, required=True, help="weights file (safetensors)")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--steps", type=int, default=defaults.steps, help="length of the schedule")
    parser.add_argument("--scenes", type=int, default=defaults.scenes, help="scenes in the pool")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop earlier after this time")
    parser.add_argument("--workers", type=int, default=2, help="processes that paint the pool")
    parser.add_argument("--float32", action="store_true", help="do not use bfloat16")
    args = parser.parse_args()
    recipe = Recipe(seed=args.seed, steps=args.steps, scenes=args.scenes, bfloat16=not args.float32)
    run(recipe, args.out, minutes=args.minutes, workers=args.workers)


if __name__ == "__main__":
    main()
