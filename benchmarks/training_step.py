"""A training step of the published size against the plain dense one and against the machine's matrix product.

python -m benchmarks.training_step [--images 16] [--latents 49152] [--rounds 5] [--device cpu]

Tokens are random, weights and biases such that about 200 latents fire on a token; with dead latents, 60 % of them never
fire. Times are of whole steps: constraint, objective, gradients, optimiser. The matrix product is that of the encoder,
tokens [n, d_model] with W_enc [d_model, d_sae]. Everything is float32 on the CPU; on a GPU the published step is, ours
and the product are in the precision that `train` chooses, and the time of the published run is projected.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.measuring import awaited, forget_peak, in_process, interleaved, ratios, spread, status_bytes
from benchmarks.published import PublishedSAE
from cytosae_toolkit.devices import autocast, resolve_precision

D_MODEL, TOKENS_PER_IMAGE, L0, DEAD_SHARE = 768, 257, 200, 0.6
LONG_AGO = 1000
PUBLISHED_TOKENS = 257_000_000
"""Tokens of the published run."""
DENSE_PRODUCTS = 5
"""Products of a dense step: encode, decode, and the gradients of latents, decoder and encoder."""


@dataclass(frozen=True)
class Problem:
    """Tokens and weights.

    Parameters
    ----------
    tokens : torch.Tensor
        float32 [n, d_model].
    rows : torch.Tensor
        float32 [d_sae, d_model], unit rows of encoder and decoder.
    bias : torch.Tensor
        float32 [d_sae].
    dead : int
        So many of the first latents never fire.
    """

    tokens: Tensor
    rows: Tensor
    bias: Tensor
    dead: int


def prepare(images: int, latents: int, *, dead_share: float, device: str = "cpu") -> Problem:
    """Draw tokens and weights so that about `L0` latents fire on a token."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(latents, D_MODEL, generator=generator)
    rows /= rows.norm(dim=1, keepdim=True)
    tokens = torch.randn(images * TOKENS_PER_IMAGE, D_MODEL, generator=generator)
    dead = int(dead_share * latents)
    sample = tokens[:64] @ rows[dead:].T
    active = min(L0, sample.shape[1])
    threshold = float(sample.flatten().kthvalue(max(1, sample.numel() - 64 * active)).values)
    bias = torch.full((latents,), -threshold)
    bias[:dead] -= 4
    return Problem(tokens.to(device), rows.to(device), bias.to(device), dead)


def fill(sae: Any, problem: Problem) -> None:
    """Give an SAE the prepared weights."""
    with torch.no_grad():
        sae.W_enc.copy_(problem.rows.T)
        sae.W_dec.copy_(problem.rows)
        sae.b_enc.copy_(problem.bias)
        sae.b_dec.zero_()


def dense_step(problem: Problem) -> Callable[[], None]:
    """Return the published step."""
    sae = PublishedSAE(D_MODEL, len(problem.rows), ghosts=problem.dead > 0).to(problem.tokens.device)
    fill(sae, problem)
    optimizer = torch.optim.Adam(sae.parameters(), lr=0.0)

    def step() -> None:
        sae.steps_since_fired[: problem.dead] = LONG_AGO
        sae.step(problem.tokens, optimizer)

    return step


def our_step(problem: Problem, **options: Any) -> Callable[[], None]:
    """Return the step that `train` takes."""
    from cytosae_relu_l1 import ReluL1Options
    from cytosae_relu_l1.sae import build

    from cytosae_toolkit.interfaces.sae import StepContext

    device = str(problem.tokens.device)
    precision = resolve_precision("auto", device)
    sae = build(D_MODEL, len(problem.rows), ReluL1Options(ghost_grads=problem.dead > 0, **options)).to(device)
    fill(sae, problem)
    optimizer = torch.optim.Adam(sae.parameters(), lr=0.0, fused=True)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        sae.steps_since_fired[: problem.dead] = LONG_AGO
        sae.before_step()
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, precision):
            terms = sae.loss(problem.tokens, StepContext(0, generator))
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        sae.after_backward()
        optimizer.step()

    return step


def product(problem: Problem) -> Callable[[], object]:
    """Return the encoder's matrix product."""
    narrow = resolve_precision("auto", str(problem.tokens.device)) == "bfloat16"
    tokens, weights = (x.to(torch.bfloat16 if narrow else torch.float32) for x in (problem.tokens, problem.rows))
    weights = weights.T.contiguous()
    out = tokens.new_empty(len(tokens), weights.shape[1])
    return lambda: torch.mm(tokens, weights, out=out)


STEPS: dict[str, Callable[[Problem], Callable[[], None]]] = {"dense": dense_step, "ours": our_step}


def times(images: int, latents: int, rounds: int, device: str = "cpu") -> dict[str, Any]:
    """Return seconds of all steps, interleaved, without and with dead latents."""
    found: dict[str, Any] = {}
    for name, share in (("no dead latents", 0.0), ("60 % dead", DEAD_SHARE)):
        problem = prepare(images, latents, dead_share=share, device=device)
        calls: dict[str, Callable[[], object]]
        calls = {"product": product(problem), "dense": dense_step(problem), "ours": our_step(problem)}
        if share:
            calls["ours, ghosts on 1/8"] = our_step(problem, ghost_share=0.125)
        found[name] = interleaved({which: awaited(call, device) for which, call in calls.items()}, rounds)
    return found


def peak(which: str, images: int, latents: int, dead_share: float) -> int:
    """Return the peak bytes of a step beyond parameters, gradients and Adam's moments; call it in a fresh process."""
    problem = prepare(images, latents, dead_share=dead_share)
    for path in ("sparse", "dense"):
        our_step(prepare(1, 64, dead_share=dead_share), path=path)()  # libraries that load themselves at first use
    before = status_bytes("VmRSS")
    step = STEPS[which](problem)
    step()
    forget_peak()
    step()
    state = 4 * 4 * (2 * D_MODEL * latents + latents + D_MODEL)
    return status_bytes("VmHWM") - before - state


def memory(images: int, latents: int) -> dict[str, dict[str, int]]:
    """Return `peak` of both steps, without and with dead latents."""
    found: dict[str, dict[str, int]] = {}
    for name, share in (("no dead latents", 0.0), ("60 % dead", DEAD_SHARE)):
        size = ("--images", str(images), "--latents", str(latents), "--dead", str(share))
        found[name] = {which: in_process("benchmarks.training_step", "--peak", which, *size) for which in STEPS}
    return found


def report_on_gpu(found: dict[str, Any], images: int) -> list[tuple[str, str, str]]:
    """Return rows of what, result, goal."""
    tokens, rows = images * TOKENS_PER_IMAGE, []
    for name, taken in found.items():
        rate = {which: tokens / float(np.median(seconds)) for which, seconds in taken.items()}
        share = [DENSE_PRODUCTS * product / ours for product, ours in zip(taken["product"], taken["ours"], strict=True)]
        minutes = PUBLISHED_TOKENS / rate["ours"] / 60
        rows += [
            (f"step, {name}: tokens/s, published float32 → ours", f"{rate['dense']:,.0f} → {rate['ours']:,.0f}", ""),
            (f"step, {name}: times faster", spread(ratios(taken["dense"], taken["ours"])), "≥ 10"),
            (f"step, {name}: five encoder products / step", spread(share), ""),
            (f"step, {name}: projected time of {PUBLISHED_TOKENS / 1e6:.0f} M tokens", f"{minutes:.1f} min", "≤ 15"),
        ]
    return rows


def report(found: dict[str, Any], peaks: dict[str, dict[str, int]], images: int) -> list[tuple[str, str, str]]:
    """Return rows of what, result, goal."""
    tokens = images * TOKENS_PER_IMAGE
    rows = []
    for name, goal in (("no dead latents", "≥ 4"), ("60 % dead", "≥ 2.3")):
        taken = found[name]
        rate = {which: tokens / float(np.median(seconds)) for which, seconds in taken.items()}
        rows.append((f"step, {name}: tokens/s, dense → ours", f"{rate['dense']:,.0f} → {rate['ours']:,.0f}", ""))
        rows.append((f"step, {name}: times faster than dense", spread(ratios(taken["dense"], taken["ours"])), goal))
        rows.append((f"dense step, {name}: encoder products", spread(ratios(taken["dense"], taken["product"])), ""))
        limit = "≤ 1.7" if name == "no dead latents" else "floor 3.4"
        rows.append((f"step, {name}: encoder products", spread(ratios(taken["ours"], taken["product"])), limit))
        if "ours, ghosts on 1/8" in taken:
            less = taken["ours, ghosts on 1/8"]
            rows.append(
                (f"step, {name}, ghosts on 1/8 of tokens: times faster", spread(ratios(taken["dense"], less)), "")
            )
            rows.append(
                (f"step, {name}, ghosts on 1/8 of tokens: encoder products", spread(ratios(less, taken["product"])), "")
            )
    for name, goal in (("no dead latents", "≤ 1/6"), ("60 % dead", "≤ 1/3")):
        ours, dense = peaks[name]["ours"], peaks[name]["dense"]
        what = f"1/{dense / max(ours, 1):.1f} ({ours / 1e6:,.0f} of {dense / 1e6:,.0f} MB)"
        rows.append((f"memory of a step beyond its state, {name}", what, goal))
    return rows


def measure(images: int, latents: int, rounds: int, device: str = "cpu") -> list[tuple[str, str, str]]:
    """Measure everything; return rows of what, result, goal."""
    found = times(images, latents, rounds, device)
    if device != "cpu":
        return report_on_gpu(found, images)
    return report(found, memory(images, latents), images)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--latents", type=int, default=49_152)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peak", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--dead", type=float, default=0.0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        print(json.dumps(peak(arguments.peak, arguments.images, arguments.latents, arguments.dead)))
        return
    for row in measure(arguments.images, arguments.latents, arguments.rounds, arguments.device):
        print(f"{row[0]:62} {row[1]:32} {row[2]}")


if __name__ == "__main__":
    main()
