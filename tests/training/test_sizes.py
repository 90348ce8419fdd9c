from __future__ import annotations

import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training.config import TrainConfig
from cytosae_toolkit.training.sizes import Sizes, default_expansion, default_steps, resolve_sizes


def sizes_of(n_images: int = 100, tokens_per_image: int = 257, **values) -> Sizes:
    config = TrainConfig(images="cells", out="run", **values)
    return resolve_sizes(config, d_model=768, n_images=n_images, tokens_per_image=tokens_per_image)


def test_what_is_given_is_taken():
    found = sizes_of(expansion=2.5, steps=1000, batch_tokens=500, warmup_steps=7)
    assert found == Sizes(d_model=768, d_sae=1920, batch_tokens=500, steps=1000, warmup_steps=7)
    assert sizes_of(d_sae=33).d_sae == 33
    assert sizes_of(batch_images=10).batch_tokens == 2570
    assert sizes_of(warmup_steps=0).warmup_steps == 0


def test_size_and_steps_follow_the_data():
    small, large = sizes_of(n_images=20), sizes_of(n_images=41_906)
    assert small.d_sae < large.d_sae == 64 * 768
    assert small.steps * small.batch_tokens == pytest.approx(4_000_000, rel=0.01)
    assert large.steps * large.batch_tokens == pytest.approx(257_000_000, rel=0.01)  # as many as the paper's


def test_more_data_never_mean_fewer_latents_or_steps():
    amounts = [10**k for k in range(2, 9)]
    for values in ([default_expansion(n) for n in amounts], [default_steps(n, 100) for n in amounts]):
        assert values == sorted(values)


def test_the_warm_up_is_500_steps_and_at_most_a_twentieth():
    assert sizes_of(steps=100_000).warmup_steps == 500
    assert sizes_of(steps=200).warmup_steps == 10
    assert sizes_of(steps=3).warmup_steps == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_images": 101}, r"batch of 101 images is more than the 100 training images\. Lower --batch-images"),
        ({"batch_tokens": 25_701}, r"batch of 25701 tokens is more than the 25700 tokens.*Lower --batch-tokens"),
    ],
    ids=["images", "tokens"],
)
def test_fewer_images_than_a_batch_are_refused(values, message):
    with pytest.raises(CytosaeError, match=message):
        sizes_of(**values)


def test_a_small_set_makes_a_small_batch():
    assert sizes_of(n_images=2).batch_tokens == 514
