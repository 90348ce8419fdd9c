from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cytosae_toolkit.cohort.latent_filter import filter_latents
from cytosae_toolkit.errors import CytosaeError


def table(**columns) -> sparse.csc_array:
    return sparse.csc_array(np.array(list(columns.values()), dtype=float).T)


def test_each_latent_that_is_left_out_is_counted_once():
    x = table(silent=[0] * 20, rare=[1] + [0] * 19, weak=[0.1, 0.2] + [0] * 18, constant=[2] * 20, good=range(20))
    found = filter_latents(x, min_mean=0.1)
    assert found.columns.tolist() == [4]
    assert (found.n_latents, found.n_silent, found.n_rare, found.n_weak, found.n_constant) == (5, 1, 1, 1, 1)
    assert (found.min_patients, found.min_mean) == (2, 0.1)


def test_both_options_and_the_least_number_of_patients():
    x = table(two=[1, 2] + [0] * 18, five=[1, 2, 3, 4, 5] + [0] * 15, all=range(1, 21))
    assert filter_latents(x).columns.tolist() == [0, 1, 2]
    assert filter_latents(x, min_share=0.25).columns.tolist() == [1, 2]
    assert filter_latents(x, min_mean=0.5).columns.tolist() == [1, 2]
    assert filter_latents(x, min_share=0.0).min_patients == 2
    assert filter_latents(x, min_share=0.15).min_patients == 3


def test_negative_values_and_named_concepts_are_not_silence():
    x = table(below=[-1, -2, -3, 0], above=[1, 2, 0, 0])
    assert filter_latents(x, min_mean=-9).columns.tolist() == [0, 1]


def test_nothing_to_compare_is_said():
    with pytest.raises(CytosaeError, match="The barcodes of all 3 patients are equal"):
        filter_latents(table(a=[1, 1, 1], b=[0, 0, 0]))
    with pytest.raises(CytosaeError, match=r"No latent occurs in 2 of the 3 patients .* above 5.*--min-mean"):
        filter_latents(table(a=[1, 2, 1]), min_mean=5)
