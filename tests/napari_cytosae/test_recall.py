from napari_cytosae._recall import atlas_key, memory_file, remember, remembered


def test_what_is_remembered_comes_back():
    assert remembered("a") is None
    remember("a", {"b": [1]})
    assert remembered("a") == {"b": [1]}


def test_damage_is_nothing():
    remember("a", 1)
    memory_file("a").write_text("{")
    assert remembered("a") is None


def test_atlases_are_told_apart(atlas, atlas_path):
    from cytosae_toolkit.atlas.reading import open_atlas

    assert atlas_key(atlas) != atlas_key(open_atlas(atlas_path))
    assert atlas_key(atlas) == atlas_key(open_atlas(atlas.path))
