import numpy as np
import pytest

from cytosae_toolkit.demo.shapes import (
    Blob,
    Chain,
    Within,
    random_blob,
    rough,
    segment_distance,
    smooth_union,
)


def _points(*pairs):
    x, y = np.array(pairs, dtype=np.float32).T
    return x, y


def test_circle_distances_are_exact():
    x, y = _points((1, 2), (4, 2), (6, 2))
    assert Blob(1, 2, 3)(x, y) == pytest.approx([-3, 0, 2])


def test_order_two_harmonic_elongates():
    x, y = _points((3.3, 0), (0, 2.7))
    assert Blob(0, 0, 3, (0.1 + 0j,))(x, y) == pytest.approx([0, 0], abs=1e-5)


def test_chain_holds_lobes_and_bridge_but_not_the_gap_beside_it():
    chain = Chain(np.array([[-2.0, 0, 1], [2.0, 0, 1]]), bridge=0.2, melt=0.0)
    inside = chain(*_points((-2, 0), (2, 0), (0, 0), (0, 0.5))) < 0
    assert inside.tolist() == [True, True, True, False]


def test_within_never_leaves_its_container():
    body = Blob(0, 0, 3)
    shape = Within(Blob(2, 0, 3), body, margin=0.5)
    x, y = np.meshgrid(*[np.linspace(-5, 5, 60, dtype=np.float32)] * 2)
    assert (body(x, y)[shape(x, y) < 0] < -0.5 + 1e-5).all()


def test_rough_outlines_differ_from_smooth_ones_a_little():
    rng = np.random.default_rng(0)
    blob, body = Blob(0, 0, 2), Blob(0, 0, 9)
    x, y = np.meshgrid(*[np.linspace(-3, 3, 60, dtype=np.float32)] * 2)
    changed = ((rough(rng, blob, body, 0.1, 0.2, 1.0)(x, y) < 0) != (blob(x, y) < 0)).mean()
    assert 0 < changed < 0.1


def test_random_blobs_keep_their_size():
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 90, dtype=np.float32)
    for _ in range(20):
        distance = random_blob(rng, 0, 0, 5.0, 0.1)(5 * np.cos(angle), 5 * np.sin(angle))
        assert np.abs(distance).max() < 1.5


def test_smooth_union_only_adds_and_only_near_the_notch():
    a, b = np.float32([-1, 0.1, 5]), np.float32([3, 0.1, 6])
    joined = smooth_union(a, b, 0.5)
    assert (joined <= np.minimum(a, b)).all()
    assert joined[0] == -1 and joined[2] == 5 and joined[1] < 0.1
    assert np.array_equal(smooth_union(a, b, 0.0), np.minimum(a, b))


def test_segment_distance_beside_and_beyond_the_ends():
    distance = segment_distance(*_points((1, 1), (4, 0)), np.array([0.0, 0]), np.array([2.0, 0]))
    assert distance == pytest.approx([1, 2])
