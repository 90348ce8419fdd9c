from __future__ import annotations

import pytest
import torch

from cytosae_toolkit.training.known_gradients import Attach


@pytest.fixture
def weight():
    return torch.nn.Parameter(torch.ones(3))


def attached(weight):
    return Attach.apply([torch.tensor([1.0, 2.0, 3.0])], [torch.tensor(4.0), torch.tensor(5.0)], weight)


def test_the_sum_of_the_terms_has_the_known_gradient(weight):
    total = torch.stack(attached(weight)).sum()
    assert float(total.detach()) == 9
    total.backward()
    assert weight.grad.tolist() == [1, 2, 3]


def test_a_scaled_sum_scales_it(weight):
    (2 * torch.stack(attached(weight)).sum()).backward()
    assert weight.grad.tolist() == [2, 4, 6]


def test_unequal_weights_are_refused(weight):
    one, two = attached(weight)
    with pytest.raises(RuntimeError, match="equal weights"):
        (one + 2 * two).backward()


def test_the_gradients_are_given_once(weight):
    total = torch.stack(attached(weight)).sum()
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="differentiated once"):
        total.backward()
