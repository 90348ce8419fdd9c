from napari_cytosae._drafts import Draft, Drafts
from napari_cytosae._recall import memory_file, remember


def test_drafts_come_back(atlas):
    Drafts(atlas).put(3, Draft("granules", "red\ncoarse", "concept"))
    assert Drafts(atlas).get(3) == Draft("granules", "red\ncoarse", "concept")
    assert Drafts(atlas).get(4) is None


def test_two_viewers_do_not_lose_each_others(atlas):
    one, other = Drafts(atlas), Drafts(atlas)
    one.put(3, Draft("a"))
    other.put(4, Draft("b"))
    one.put(3, None)
    assert (other.get(3), one.get(4)) == (None, Draft("b"))


def test_a_damaged_file_holds_nothing(atlas):
    drafts = Drafts(atlas)
    remember(drafts._file, {"3": ["no", "draft"], "4": {"name": "x"}})
    assert drafts.get(3) is None and drafts.get(4) == Draft("x")
    memory_file(drafts._file).write_text("[")
    assert drafts.get(4) is None
