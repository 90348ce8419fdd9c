"""DinoBloom-B and 49,152 latents on this machine: time and peak memory of tokens and of one training step.

python -m benchmarks.full_size [--images 8] [--latents 49152]

The weights are random (the numbers measured do not depend on their values), written to a file in DinoBloom's layout
and read back by the backbone plugin, so nothing is downloaded. A step is dense: all latents on all tokens.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import cytosae_toolkit as ct
from cytosae_toolkit.interfaces.sae import StepContext


def write_random_weights(path: Path) -> None:
    """Write DinoBloom-B's state dict with random values, as its authors store it."""
    from cytosae_dinobloom.backbone import empty_model

    generator = torch.Generator().manual_seed(0)
    shapes = {name: tensor.shape for name, tensor in empty_model("b").state_dict().items()}
    state = {f"backbone.{name}": 0.02 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    torch.save({"teacher": state}, path)


def peak_gigabytes() -> float:
    """Return the largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--latents", type=int, default=49_152)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "DinoBloom-B.pth"
        write_random_weights(checkpoint)
        backbone = ct.create_backbone("dinobloom-b", checkpoint=checkpoint, device="cpu")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (arguments.images, 288, 288, 3), dtype=np.uint8)
    start = time.perf_counter()
    tokens = backbone.tokens(torch.stack([backbone.preprocess(image) for image in images]), layer=-2)
    print(f"tokens {tuple(tokens.shape)} in {time.perf_counter() - start:.1f} s, peak {peak_gigabytes():.2f} GB")

    sae = ct.create_sae("relu-l1", d_model=backbone.d_model, d_sae=arguments.latents)
    generator = torch.Generator().manual_seed(0)
    sae.initialize(tokens.reshape(-1, backbone.d_model), generator)
    optimizer = torch.optim.Adam(sae.parameters(), lr=4e-4, fused=True)
    for step in range(2):
        start = time.perf_counter()
        sae.before_step()
        terms = sae.loss(tokens, StepContext(step, generator))
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        sae.after_backward()
        optimizer.step()
        seconds = time.perf_counter() - start
        print(
            f"step {step} with {arguments.latents:,} latents on {tokens.shape[0] * tokens.shape[1]:,} tokens: "
            f"loss {loss.item():.4f} in {seconds:.1f} s, peak {peak_gigabytes():.2f} GB"
        )


if __name__ == "__main__":
    main()
