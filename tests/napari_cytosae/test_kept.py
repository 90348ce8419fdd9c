from __future__ import annotations

from napari_cytosae import _kept


def test_the_newest_is_first_and_what_is_gone_is_left_out(tmp_path):
    assert _kept.recent() == []
    for name in ("a", "b", "a"):
        (tmp_path / name).mkdir(exist_ok=True)
        _kept.remember(tmp_path / name)
    assert _kept.recent() == [tmp_path / "a", tmp_path / "b"]
    (tmp_path / "a").rmdir()
    assert _kept.recent() == [tmp_path / "b"]


def test_only_some_are_kept(tmp_path):
    for i in range(_kept.N_RECENT + 3):
        (tmp_path / str(i)).mkdir()
        _kept.remember(tmp_path / str(i))
    assert len(_kept.recent()) == _kept.N_RECENT
    assert _kept.recent()[0].name == str(_kept.N_RECENT + 2)


def test_a_lesson_is_kept_beside_them(tmp_path):
    _kept.remember(tmp_path)
    _kept.remember_lesson({"images": "x"})
    assert _kept.unfinished() == {"images": "x"}
    assert _kept.recent() == [tmp_path]
    _kept.remember_lesson(None)
    assert _kept.unfinished() is None


def test_a_damaged_or_unwritable_file_costs_the_list_only(tmp_path, monkeypatch):
    _kept.remember(tmp_path)
    _kept._path().write_text("{")
    assert _kept.recent() == []
    (tmp_path / "file").touch()
    monkeypatch.setenv("CYTOSAE_CACHE", str(tmp_path / "file"))
    _kept.remember(tmp_path)
    assert _kept.recent() == []


def test_preferences_have_defaults(monkeypatch):
    monkeypatch.setattr(_kept, "PLUGIN", "not-installed")
    assert (_kept.preference("device"), _kept.preference("opacity")) == ("auto", 0.6)
    monkeypatch.setattr("getpass.getuser", lambda: "account")
    assert _kept.author() == "account"


def test_without_an_account_the_author_is_empty(monkeypatch):
    def nobody():
        raise KeyError("uid")

    monkeypatch.setattr(_kept, "PLUGIN", "not-installed")
    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.delenv("USER", raising=False)
    assert _kept.author() == ""
