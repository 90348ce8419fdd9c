import torch
from cytosae_nano.architecture import D_MODEL, DEPTH, IMAGE_SIZE, PATCH_SIZE, build


def test_tokens_are_cls_and_a_16_by_16_grid():
    network = build().eval()
    assert network.patch_embed.grid_size == (16, 16) and IMAGE_SIZE // PATCH_SIZE == 16
    with torch.inference_mode():
        tokens = network.forward_features(torch.zeros(2, 3, IMAGE_SIZE, IMAGE_SIZE))
    assert tokens.shape == (2, 257, D_MODEL) and len(network.blocks) == DEPTH


def test_weights_fit_into_six_megabytes_of_float16():
    assert 2 * sum(v.numel() for v in build().state_dict().values()) < 6e6
