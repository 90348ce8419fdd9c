from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from cytosae_toolkit.atlas.blocks import BlockFile


@pytest.mark.parametrize("counts", [[2, 0, 1, 0, 0], [0, 0, 0, 0, 0]])
def test_latents_without_entries(tmp_path, counts):
    indptr = np.concatenate([[0], np.cumsum(counts)])
    n = int(indptr[-1])
    arrays = {name: np.arange(n) for name in ("entries.rows", "entries.mean", "entries.max", "entries.value")}
    arrays |= {"entries.peak": np.arange(n), "entries.indptr": indptr, "heats.indptr": indptr}
    arrays |= {"heats.rows": np.arange(n), "heats.offsets": np.arange(n + 1) * 3}
    arrays |= {name: np.arange(3 * n) for name in ("heats.patch", "heats.activation")}
    save_file(arrays, tmp_path / "block")
    block = BlockFile(tmp_path / "block")
    for first, stop in ((0, 5), (0, 2), (2, 5), (3, 5), (4, 5)):
        assert np.diff(block.entries(first, stop).indptr).tolist() == counts[first:stop]
        expected = np.arange(indptr[first], indptr[stop])
        assert np.array_equal(block.entries(first, stop).mean, expected)
        assert np.array_equal(block.heats(first, stop).rows, expected)
        assert len(block.heats(first, stop).patch) == 3 * len(expected)
