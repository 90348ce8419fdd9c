import numpy as np
import pytest

from napari_cytosae._thumbnails import SIDE, Thumbnails, Wanted, mark, small_picture


class Drawn:
    """Pictures of one colour; heat in the first of four patches."""

    def __init__(self, size=(40, 60)):
        self.size, self.asked = size, []

    def picture(self, row):
        self.asked.append(row)
        return None if row == 99 else np.full((*self.size, 3), 10 + row, dtype=np.uint8)

    def heatmap(self, latent, row):
        return np.array([[1.0, 0.0], [0.0, 0.0]], dtype=np.float32)

    def patch_boxes(self, row):
        h, w = self.size[0] / 2, self.size[1] / 2
        return np.array([[x * w, y * h, (x + 1) * w, (y + 1) * h] for y in range(2) for x in range(2)])


def test_the_active_patch_is_orange_and_the_others_are_not():
    made = small_picture(Drawn(), Wanted(0, 5, 1.0)).astype(int)
    assert made[5, 5, 0] - made[5, 5, 2] > 80
    assert np.ptp(made[30, 50]) <= 1


def test_full_strength_is_one_scale():
    weak = small_picture(Drawn(), Wanted(0, 5, 10.0)).astype(int)
    strong = small_picture(Drawn(), Wanted(0, 5, 1.0)).astype(int)
    assert strong[5, 5, 0] > weak[5, 5, 0] > strong[30, 50, 0]


def test_chromatin_is_seen_where_every_patch_is_strongest():
    picture = np.tile(np.array([60, 160], dtype=np.uint8)[:, None, None], (2, 4, 3))
    toned = mark(picture, np.ones((1, 1)), np.array([[0.0, 0, 4, 4]])).mean(axis=2)
    assert np.ptp(toned) > 0.5 * np.ptp(picture)


@pytest.mark.parametrize("level", [0, 255])
def test_marking_never_overflows(level):
    picture = np.full((4, 4, 3), level, dtype=np.uint8)
    muted = mark(picture, np.zeros((1, 1)), np.array([[0.0, 0, 4, 4]]))
    assert abs(int(muted[0, 0, 0]) - level) < 90


def test_without_a_latent_it_is_the_picture_and_large_ones_shrink():
    assert np.array_equal(small_picture(Drawn(), Wanted(3, None)), Drawn().picture(3))
    assert small_picture(Drawn((400, 800)), Wanted(3, None)).shape == (SIDE // 2, SIDE, 3)
    assert small_picture(Drawn(), Wanted(99, None)) is None


def test_pictures_arrive_later_once_and_are_kept(qtbot):
    thumbnails, drawn = Thumbnails(), Drawn()
    thumbnails.set_pictures(drawn)
    assert thumbnails.get(Wanted(1, None)) is None
    qtbot.waitUntil(lambda: thumbnails.get(Wanted(1, None)) is not None)
    for row in range(20):
        thumbnails.get(Wanted(row, None))
    qtbot.waitUntil(lambda: len(drawn.asked) >= 20)
    assert sorted(drawn.asked) == list(range(20))


def test_what_cannot_be_made_is_asked_for_once(qtbot):
    thumbnails, drawn = Thumbnails(), Drawn()
    thumbnails.set_pictures(drawn)
    with qtbot.waitSignal(thumbnails.made):
        thumbnails.get(Wanted(99, None))
    assert thumbnails.get(Wanted(99, None)) is None
    assert drawn.asked == [99]


def test_other_pictures_forget_the_old_ones(qtbot):
    thumbnails = Thumbnails()
    thumbnails.set_pictures(Drawn())
    with qtbot.waitSignal(thumbnails.made):
        thumbnails.get(Wanted(1, None))
    thumbnails.set_pictures(None)
    assert thumbnails.get(Wanted(1, None)) is None
