from __future__ import annotations

import numpy as np
import pytest
import torch

from cytosae_toolkit.atlas.encoding import ImageEncoder
from cytosae_toolkit.errors import NotFiniteError, PluginError
from cytosae_toolkit.plugins import create_aggregator, create_sae
from cytosae_toolkit.training.image_fit import TokenSpread

GRID, PREFIX = (3, 3), 2


@pytest.fixture
def sae():
    made = create_sae("relu-l1", 8, 40)
    torch.manual_seed(0)
    made.initialize(torch.randn(50, 8), torch.Generator().manual_seed(0))
    with torch.no_grad():
        made.b_enc -= 0.3
        made.b_enc[5] = -100
    return made.eval()


@pytest.fixture
def tokens():
    return np.random.default_rng(1).normal(size=(11, 8)).astype(np.float32)


def encoder(sae, aggregator="count", **options):
    return ImageEncoder(sae, create_aggregator(aggregator, **options), GRID, PREFIX, TokenSpread((0.0,) * 8, ()))


def test_a_code_equals_the_dense_one(sae, tokens):
    code = encoder(sae, threshold=0.2)(tokens, 0)
    h = sae.encode_sparse(torch.from_numpy(tokens)).dense().numpy()
    assert np.allclose(h, sae.encode(torch.from_numpy(tokens)).detach().numpy(), atol=1e-6)
    active = np.flatnonzero((h > 0).any(axis=0))
    assert np.array_equal(code.latent, active)
    assert 5 not in active
    assert np.allclose(code.mean, h.mean(axis=0, dtype=np.float64)[active], rtol=1e-6)
    patches = h[PREFIX:, active]
    assert np.array_equal(code.max, patches.max(axis=0))
    assert np.array_equal(code.value, (patches > 0.2).sum(axis=0))
    assert np.array_equal(code.peak, np.where(patches.max(axis=0) > 0, patches.argmax(axis=0), -1))
    assert np.array_equal(code.tokens_active, (h > 0).sum(axis=0)[active])
    assert code.n_nonzero == (h > 0).sum()
    for i, latent in enumerate(active):
        part = slice(code.start[i], code.start[i + 1])
        assert np.array_equal(code.patch[part], np.flatnonzero(h[PREFIX:, latent]))
        assert np.array_equal(code.activation[part], h[PREFIX:, latent][code.patch[part]])


def test_sparse_and_dense_decoding_agree(sae, tokens, monkeypatch):
    fits = []
    for share in (0.0, 1.0):
        monkeypatch.setattr("cytosae_toolkit.atlas.latents.DENSE_SHARE", share)
        fits.append(encoder(sae)(tokens, 0).fvu)
    x = torch.from_numpy(tokens)
    with torch.no_grad():
        expected = float((x - sae.decode(sae.encode(x))).square().sum() / x.square().sum())
    assert np.allclose(fits, expected, rtol=1e-5)


def test_an_image_on_which_nothing_fires(sae, tokens):
    with torch.no_grad():
        sae.b_enc.fill_(-100)
    code = encoder(sae)(tokens, 0)
    assert len(code.latent) == len(code.patch) == code.n_nonzero == 0
    assert code.start.tolist() == [0]


def test_a_latent_that_fires_on_the_prefix_only_has_no_peak(sae, tokens):
    with torch.no_grad():
        sae.W_enc[:, 7] = 0
        sae.W_enc[0, 7], sae.b_enc[7] = 1, -5 + float(sae.b_dec[0])
    tokens[:, 0], tokens[0, 0] = 0, 20
    code = encoder(sae)(tokens, 0)
    at = code.latent.tolist().index(7)
    assert code.mean[at] > 0
    assert (code.max[at], code.peak[at], code.value[at]) == (0, -1, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["W_enc", "b_enc", "W_dec", "b_dec"])
def test_weights_that_are_not_finite_are_refused(sae, name, value):
    with torch.no_grad():
        getattr(sae, name)[3] = value
    with pytest.raises(NotFiniteError, match=f"weights in {name}"):
        encoder(sae)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_tokens_that_are_not_finite_are_refused(sae, tokens, value):
    tokens[4, 2] = value
    with pytest.raises(NotFiniteError, match="tokens in image 12"):
        encoder(sae)(tokens, 12)


def test_latents_that_overflow_are_refused(sae, tokens):
    with torch.no_grad():
        sae.W_enc.mul_(1e38)
    with pytest.raises(NotFiniteError, match="latents on image 12"):
        encoder(sae)(100 * tokens, 12)


def many_images(n):
    return np.random.default_rng(2).normal(size=(n, 11, 8)).astype(np.float32)


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert all(np.array_equal(getattr(a, name), value) for name, value in vars(b).items())


@pytest.mark.parametrize("n", [1, 3, 4, 7])
def test_no_bit_depends_on_neighbours(sae, n):
    made, images = encoder(sae), many_images(n)
    made.at_once = 4
    alone = encoder(sae)
    for _ in range(2):  # the first images are tried both ways
        assert_same(made.encode(images, list(range(n))), [alone(x, row) for row, x in enumerate(images)])


def test_images_are_encoded_alone_where_neighbours_would_matter(sae, monkeypatch):
    exact = type(sae).encode_sparse
    monkeypatch.setattr(type(sae), "encode_sparse", lambda self, x: exact(self, x * (1 + 1e-3 * (len(x) > 11))))
    made, images = encoder(sae), many_images(4)
    made.at_once = 4
    assert_same(made.encode(images, [0, 1, 2, 3]), [encoder(sae)(x, row) for row, x in enumerate(images)])
    assert made.at_once == 1


def test_dense_images_are_encoded_alone(sae):
    with torch.no_grad():
        sae.b_enc += 5
    made, images = encoder(sae), many_images(4)
    made.at_once = 4
    assert_same(made.encode(images, [0, 1, 2, 3]), [encoder(sae)(x, row) for row, x in enumerate(images)])
    assert made.at_once == 1


def test_how_many_images_go_together(sae):
    tokens = {(16, 16): 8, (14, 14): 8, (3, 3): 64, (40, 40): 1}
    for grid, expected in tokens.items():
        made = ImageEncoder(sae, create_aggregator("count"), grid, 1, TokenSpread((0.0,) * 8, ()))
        assert made.at_once == expected


def test_an_aggregator_that_breaks_its_contract_is_named(sae, tokens):
    made = encoder(sae)
    made.aggregator.result = lambda state: np.full(3, np.nan, np.float32)
    with pytest.raises(PluginError, match="Count does not give one finite value per latent"):
        made(tokens, 0)
