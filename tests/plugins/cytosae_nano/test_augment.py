import pytest
import torch
from cytosae_nano.augment import random_crops, random_stains


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pictures():
    wave = torch.sin(torch.arange(64) / 5) * 0.3 + 0.5
    return (wave[None, :] * wave[:, None]).expand(6, 3, 64, 64).clone()


def test_crops_keep_channels_aligned_and_differ_between_pictures(pictures):
    crops = random_crops(torch.cat([pictures, pictures], 1), _generator(), size=32)
    assert crops.shape == (6, 6, 32, 32)
    assert torch.equal(crops[:, :3], crops[:, 3:])
    assert not torch.allclose(crops[0], crops[1], atol=0.05)


def test_crops_never_leave_the_range(pictures):
    crops = random_crops(pictures, _generator())
    assert crops.min() >= pictures.min() - 1e-5 and crops.max() <= pictures.max() + 1e-5


def test_stains_vary_but_structure_stays(pictures):
    stained = random_stains(pictures, _generator())
    assert stained.shape == pictures.shape and stained.min() >= 0 and stained.max() <= 1
    assert not torch.allclose(stained[0].mean((1, 2)), stained[1].mean((1, 2)), atol=0.01)
    together = torch.stack([stained.mean(1).flatten(), pictures.mean(1).flatten()])
    assert torch.corrcoef(together)[0, 1] > 0.5


@pytest.mark.parametrize("augment", [random_crops, random_stains])
def test_same_generator_same_result(augment, pictures):
    assert torch.equal(augment(pictures, _generator(1)), augment(pictures, _generator(1)))
    assert not torch.equal(augment(pictures, _generator(1)), augment(pictures, _generator(2)))
