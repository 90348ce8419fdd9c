import numpy as np
from qtpy.QtGui import QColor

from napari_cytosae._export_view import Bar, framed


def colour(image, x, y):
    return QColor(image.pixel(x, y)).getRgb()[:3]


def test_the_view_stays_and_text_is_below(qapp):
    view = np.full((200, 600, 4), 77, dtype=np.uint8)
    image = framed(view, [Bar("#E69F00", 2.0, "granules")], ["cell.png"])
    assert image.width() == 600 and image.height() > 260
    assert colour(image, 300, 199) == (77, 77, 77)
    assert colour(image, 599, image.height() - 1) == (255, 255, 255)


def test_the_bar_ends_in_full_colour_and_is_empty_below_the_threshold(qapp):
    image = framed(np.zeros((100, 600, 3), np.uint8), [Bar("#E69F00", 2.0, "x", threshold=1.0)], [])
    line = int(12 * 1.4)
    y = 100 + 12 + line + 5
    row = [colour(image, x, y) for x in range(12, 12 + 220 * line // 16)]
    assert row[20] == (255, 255, 255)
    assert row[-3][2] < 30 and row[-3][0] > 200


def test_no_bar_without_a_latent(qapp):
    view = np.zeros((100, 300, 3), np.uint8)
    assert framed(view, [], ["x"]).height() < framed(view, [Bar("#E69F00", 1.0, "x")], ["x"]).height()


def test_a_narrow_view_has_white_beside_it_and_a_faint_map_a_faint_bar(qapp):
    image = framed(np.zeros((100, 90, 3), np.uint8), [Bar("#E69F00", 2.0, "granules", opacity=0.5)], ["cell.png"])
    assert image.width() > 300
    assert colour(image, 89, 50) == (0, 0, 0) and colour(image, 90, 50) == (255, 255, 255)
    row = [colour(image, x, 100 + 12 + int(12 * 1.4) + 5) for x in range(12, 12 + 220 * int(12 * 1.4) // 16)]
    assert row[-3][2] > 120
