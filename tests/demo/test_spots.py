import numpy as np

from cytosae_toolkit.demo.shapes import Blob
from cytosae_toolkit.demo.spots import inside, scatter_rods, scatter_spots


def test_spots_lie_in_the_region_and_fill_it():
    region = Blob(1.0, 0.0, 4.0)
    spots = scatter_spots(np.random.default_rng(0), region, 6.0, spacing=1.0, radius=0.4)
    assert inside(region, spots[:, :2]).all()
    assert 0.7 < len(spots) / (np.pi * 16) < 1.3
    assert 0.3 < spots[:, 2].mean() < 0.5


def test_share_thins_the_spots_out():
    n = [len(scatter_spots(np.random.default_rng(0), Blob(0, 0, 5), 6.0, 1.0, 0.4, share)) for share in (1.0, 0.5)]
    assert 0.3 * n[0] < n[1] < 0.7 * n[0]


def test_rods_lie_in_the_region_and_have_the_length_of_auer_rods():
    region = Blob(0, 0, 6.0)
    rods = scatter_rods(np.random.default_rng(0), region, 6.0, 4, bundle=False)
    assert 1 <= len(rods) <= 4
    assert inside(region, rods[:, 0:2]).all() and inside(region, rods[:, 2:4]).all()
    length = np.hypot(*(rods[:, 2:4] - rods[:, 0:2]).T)
    assert ((length > 2) & (length < 6)).all()


def test_bundled_rods_are_nearly_parallel():
    rods = scatter_rods(np.random.default_rng(1), Blob(0, 0, 6.0), 6.0, 6, bundle=True)
    direction = rods[:, 2:4] - rods[:, 0:2]
    direction /= np.hypot(*direction.T)[:, None]
    assert len(rods) >= 3 and (np.abs(direction @ direction[0]) > 0.8).all()


def test_there_is_one_rod_even_without_room():
    rods = scatter_rods(np.random.default_rng(0), Blob(0, 0, 0.8), 4.0, 3, bundle=False)
    assert rods.shape == (1, 5)
