from __future__ import annotations

import pytest

from cytosae_toolkit.images.pixel_size import pixel_size_from_dpi, stored_pixel_size


@pytest.mark.parametrize(
    ("description", "resolution", "unit", "expected"),
    [
        ('<OME><Pixels PhysicalSizeX="0.25" PhysicalSizeY="0.25"/></OME>', None, 1, 0.25),
        ('<Pixels PhysicalSizeX="108.3" PhysicalSizeXUnit="nm"/>', (300, 1), 2, 0.1083),
        ("Aperio Image Library|AppMag = 40|MPP = 0.2521|Left = 1", (72, 1), 2, 0.2521),
        ("ImageJ=1.53t\nunit=micron\n", (10, 1), 1, 0.1),
        ("ImageJ=1.53t\nunit=\\u00B5m\n", (8, 2), 1, 0.25),
        ("", (50_000, 1), 3, 0.2),
        ("", (127_000, 1), 2, 0.2),
        ("", 100_000.0, 3, 0.1),
    ],
)
def test_sizes_that_files_tell(description: str, resolution: object, unit: int, expected: float) -> None:
    assert stored_pixel_size(description, resolution, unit) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("description", "resolution", "unit"),
    [
        ("", None, 2),
        ("", (72, 1), 2),
        ("", (1, 0), 3),
        ("", (100_000, 1), 1),
        ('PhysicalSizeX="wide"', None, 2),
        ('PhysicalSizeX="0.2" PhysicalSizeXUnit="parsec"', None, 2),
        ("MPP = 1.2.3", None, 2),
        ("ImageJ=1\nunit=pixel\n", (10, 1), 1),
    ],
)
def test_what_is_missing_or_implausible_is_unknown(description: str, resolution: object, unit: int) -> None:
    assert stored_pixel_size(description, resolution, unit) is None


def test_dots_per_inch() -> None:
    assert pixel_size_from_dpi((254_000, 254_000)) == pytest.approx(0.1)
    assert pixel_size_from_dpi((96.0, 96.0)) is None
    assert pixel_size_from_dpi(None) is None
