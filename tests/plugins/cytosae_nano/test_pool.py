import pytest
import torch
from cytosae_nano.pool import make_pool


@pytest.fixture(scope="module")
def pool():
    return make_pool(5, seed=0, size=64)


def test_scenes_come_in_two_stains_and_the_reference(pool):
    assert pool.shape == (5, 3, 3, 64, 64) and pool.dtype == torch.uint8
    light = pool.float()
    assert not torch.equal(pool[:, 0], pool[:, 1])
    for scene in light.mean(2).flatten(2):
        assert torch.corrcoef(scene).min() > 0.6


def test_same_seed_same_pool_and_another_seed_another(pool):
    assert torch.equal(pool, make_pool(5, seed=0, size=64))
    assert not torch.equal(pool, make_pool(5, seed=1, size=64))


@pytest.mark.slow
def test_workers_do_not_change_the_pool(pool):
    assert torch.equal(pool, make_pool(5, seed=0, size=64, workers=2))
