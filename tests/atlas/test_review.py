from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytosae_toolkit.atlas.review import make_review
from cytosae_toolkit.atlas.review_choice import choose_latents
from cytosae_toolkit.atlas.review_items import DecoyLatent
from cytosae_toolkit.errors import CytosaeError
from tests.atlas.review_atlas import ReviewAtlas


@pytest.fixture
def atlas(tmp_path: Path) -> ReviewAtlas:
    return ReviewAtlas(tmp_path / "secret.atlas.zarr")


@pytest.fixture
def decoys() -> list[DecoyLatent]:
    pictures = [np.full((8, 8, 3), 200 + i, dtype=np.uint8) for i in range(4)]
    heatmaps = [np.array([[0, i], [1, 2]], dtype=np.float32) for i in range(4)]
    return [DecoyLatent(700 + i, pictures[:3], heatmaps[:3], pictures[3]) for i in range(3)]


def form_data(html: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


def pixels(uri: str) -> np.ndarray:
    assert uri.startswith("data:image/webp;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_the_form_shows_items_and_the_key_tells_what_they_are(atlas, decoys, tmp_path):
    made = make_review(atlas, tmp_path / "out", clusters=3, per_cluster=2, decoys=decoys, intruder=True)
    data, key = form_data(made.form.read_text()), json.loads(made.key.read_text())
    assert data["form"] == key["form"] == made.form_id
    assert (made.n_latents, made.n_decoys, made.n_intruders) == (6, 3, 9)
    assert [item["id"] for item in data["items"]] == list(key["items"])
    kinds = [item["kind"] for item in data["items"]]
    assert kinds == ["intruder"] * 9 + ["meaning"] * 9
    chosen = choose_latents(atlas.latents, clusters=3, per_cluster=2)["latent"].tolist()
    for kind in ("intruder", "meaning"):
        facts = [fact for fact in key["items"].values() if fact["kind"] == kind]
        assert sorted(fact["latent"] for fact in facts if "latent" in fact) == chosen
        assert sorted(fact["decoy"] for fact in facts if "decoy" in fact) == [700, 701, 702]
    assert key["seed"] == 0
    assert key["protocol"] == {
        "clusters": 3, "per_cluster": 2, "min_log10_mean": -3.0, "hidden": False, "images_per_latent": 9,
        "intruder": True, "n_decoys": 3,
    }  # fmt: skip


def test_meaning_items_pair_pictures_with_their_highlights(atlas, tmp_path):
    made = make_review(atlas, tmp_path / "out", clusters=1, per_cluster=30, images_per_latent=4)
    data, key = form_data(made.form.read_text()), json.loads(made.key.read_text())
    item = data["items"][0]
    latent = key["items"][item["id"]]["latent"]
    references = atlas.references(latent)[:4]
    assert len(item["pictures"]) == 4
    for (plain, marked), reference in zip(item["pictures"], references, strict=True):
        assert abs(int(pixels(plain)[0, 0, 0]) - (5 * reference.row + 20)) <= 3
        silent = atlas.heatmap(latent, reference.row) == 0
        for row, column in np.argwhere(silent):
            assert np.ptp(pixels(marked)[4 * row + 1, 4 * column + 1].astype(int)) < 30  # grey, up to JPEG's colours
        assert np.ptp(pixels(marked).astype(int), axis=2).max() > 60  # orange where it is strongest


def test_the_intruder_is_the_silent_picture(atlas, tmp_path):
    made = make_review(atlas, tmp_path / "out", clusters=1, per_cluster=30, intruder=True)
    data, key = form_data(made.form.read_text()), json.loads(made.key.read_text())
    places = []
    for item in data["items"]:
        fact = key["items"][item["id"]]
        if fact["kind"] != "intruder":
            continue
        rows = [round((int(pixels(picture)[0, 0, 0]) - 20) / 5) for (picture,) in item["pictures"]]
        assert fact["n_pictures"] == len(rows) == 10
        active = atlas.means[rows, fact["latent"]] > 0
        assert np.flatnonzero(~active).tolist() == [fact["intruder"] - 1]
        places.append(fact["intruder"])
    assert len(set(places)) > 3


def test_the_form_gives_nothing_away(atlas, decoys, tmp_path):
    made = make_review(atlas, tmp_path / "out", clusters=3, per_cluster=3, decoys=decoys, intruder=True)
    html = made.form.read_text()
    bare = re.sub(r"data:image/webp;base64,[A-Za-z0-9+/=]+", "", html)
    for word in ("secret", "decoy", "latent", "seed", "untrained", "blast", "cluster", "f00d", "http://", "https://"):
        assert word not in bare.lower(), word
    for item in form_data(html)["items"]:
        assert set(item) == {"id", "kind", "pictures"}
        assert re.fullmatch("[0-9a-f]{8}", item["id"])
    assert b"EXIF" not in base64.b64decode(re.search(r"base64,([A-Za-z0-9+/=]+)", html)[1])


def test_the_seed_decides_and_other_reviews_have_other_ids(atlas, decoys, tmp_path):
    options = {"clusters": 2, "per_cluster": 3, "decoys": decoys}
    first, again, other = (
        make_review(atlas, tmp_path / name, seed=seed, **options) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first.form.read_bytes() == again.form.read_bytes()
    assert first.form_id == again.form_id != other.form_id


def test_only_a_review_is_replaced(atlas, tmp_path):
    options = {"clusters": 1, "per_cluster": 1}
    made = make_review(atlas, tmp_path / "out", **options)
    with pytest.raises(CytosaeError, match="--force"):
        make_review(atlas, tmp_path / "out", **options)
    make_review(atlas, tmp_path / "out", seed=1, force=True, **options)
    (made.form.parent / "answers.csv").write_text("precious")
    with pytest.raises(CytosaeError, match="is not a review, or holds more"):
        make_review(atlas, tmp_path / "out", force=True, **options)
    atlas.has_images = False
    with pytest.raises(CytosaeError, match="no images to show"):
        make_review(atlas, tmp_path / "other", **options)
