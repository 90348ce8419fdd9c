import pytest
import torch
from cytosae_nano.masked import MaskedAutoencoder, draw_patches, normalise, patch_targets, sine_positions


def test_drawn_patches_are_disjoint_and_as_many_as_asked():
    visible, hidden = draw_patches(3, 256, 0.25, torch.Generator().manual_seed(0))
    assert visible.shape == (3, 64) and hidden.shape == (3, 64)
    for seen, asked in zip(visible.tolist(), hidden.tolist(), strict=True):
        assert len(set(seen) | set(asked)) == 128
    assert not torch.equal(visible[0], visible[1])


def test_targets_are_row_major_patches():
    pictures = torch.full((1, 3, 128, 128), 0.75)
    pictures[:, :, 8:16, 16:24] = 0.95
    targets = patch_targets(pictures)
    assert targets.shape == (1, 256, 384)
    assert targets[0, 18, :192].mean().item() == pytest.approx(1.0, abs=1e-4)
    assert targets[0, :18].abs().max() < 1e-4


def test_structure_targets_ignore_the_patch_mean():
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(1, 3, 128, 128, generator=generator) * 0.5
    a, b = patch_targets(pictures), patch_targets(pictures + 0.3)
    assert torch.allclose(a[..., 192:], b[..., 192:], atol=1e-4)
    assert not torch.allclose(a[..., :192], b[..., :192], atol=0.1)


def test_positions_are_unique_and_bounded():
    positions = sine_positions(16, 192)[0]
    assert positions.shape == (256, 192) and positions.abs().max() <= 1
    assert torch.cdist(positions, positions).fill_diagonal_(9).min() > 0.1


def test_hidden_patches_do_not_reach_the_encoder():
    torch.manual_seed(0)
    model = MaskedAutoencoder().eval()
    pictures = torch.rand(1, 3, 128, 128)
    visible, hidden = draw_patches(1, 256, 0.25, torch.Generator().manual_seed(0))
    changed = pictures.clone()
    row, column = divmod(int(hidden[0, 0]), 16)
    changed[:, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 0
    with torch.inference_mode():
        a, b = (model(p, pictures, visible, hidden) for p in (pictures, changed))
    assert torch.equal(a.total, b.total)


def test_total_counts_visible_patches_half():
    torch.manual_seed(0)
    model, pictures = MaskedAutoencoder(), torch.rand(2, 3, 128, 128)
    terms = model(pictures, pictures, *draw_patches(2, 256, 0.5, torch.Generator().manual_seed(0)))
    assert torch.isclose(terms.total, terms.hidden + 0.5 * terms.visible)


def test_normalise_centres_grey():
    assert normalise(torch.full((1, 3, 2, 2), 0.5)).abs().max() == 0
