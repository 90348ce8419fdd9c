"""The cache of published weights."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cytosae_toolkit import weights as module
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.specs import WeightsFile
from cytosae_toolkit.progress import Silent
from cytosae_toolkit.weights import (
    catalogue,
    fetch_weights,
    find_weights,
    published_checksum,
    show_downloads,
    weights_path,
)

CONTENT = b"some weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


class _Quiet(SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def asked() -> list[str]:
    """Paths that the server was asked for."""
    return []


@pytest.fixture
def site(tmp_path: Path, asked: list[str]) -> Iterator[str]:
    """A web site with the weights and a Zenodo-like record of them."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "w.pth").write_bytes(CONTENT)
    (folder / "record").write_text(json.dumps({"files": [{"key": "w.pth", "checksum": f"md5:{MD5}"}]}))
    handler = type("Handler", (_Quiet,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def weights_file(site: str, **changes: str | None) -> WeightsFile:
    return WeightsFile(**{"name": "w.pth", "url": f"{site}/w.pth", "checksum": f"sha256:{SHA256}", **changes})


def test_a_file_is_downloaded_once_and_recorded(site: str, asked: list[str]) -> None:
    file = weights_file(site)
    path = fetch_weights(file)
    assert path.read_bytes() == CONTENT
    assert path == weights_path(file)
    record = json.loads(path.with_name("w.pth.json").read_text())
    assert (record["sha256"], record["url"]) == (SHA256, file.url)
    assert fetch_weights(file, offline=True) == path
    assert asked == ["/w.pth"]


def test_offline_says_where_to_put_the_file(site: str, asked: list[str]) -> None:
    file = weights_file(site)
    with pytest.raises(CytosaeError, match="offline forbids") as caught:
        fetch_weights(file, offline=True)
    assert file.url in str(caught.value)
    assert str(weights_path(file)) in str(caught.value)
    assert "-B checkpoint=PATH" in str(caught.value)
    assert asked == []


def test_a_file_put_there_by_hand_is_used(site: str) -> None:
    file = weights_file(site)
    weights_path(file).parent.mkdir(parents=True)
    weights_path(file).write_bytes(CONTENT)
    assert fetch_weights(file, offline=True).read_bytes() == CONTENT


def test_a_wrong_file_put_there_by_hand_is_refused_and_kept(site: str) -> None:
    file = weights_file(site)
    weights_path(file).parent.mkdir(parents=True)
    weights_path(file).write_bytes(b"other")
    with pytest.raises(CytosaeError, match="do not match their checksum"):
        fetch_weights(file)
    assert weights_path(file).read_bytes() == b"other"


@pytest.mark.parametrize("checksum", [f"sha256:{'0' * 64}", f"md5:{'0' * 32}"])
def test_a_download_with_a_wrong_checksum_is_deleted(site: str, checksum: str) -> None:
    file = weights_file(site, checksum=checksum)
    with pytest.raises(CytosaeError, match=f"does not match its checksum {checksum} and was deleted"):
        fetch_weights(file)
    assert [path.name for path in weights_path(file).parent.iterdir()] == ["w.pth.lock"]


def test_the_publisher_is_asked_for_an_unknown_checksum(site: str, tmp_path: Path) -> None:
    file = weights_file(site, checksum=None, record=f"{site}/record")
    path = fetch_weights(file)
    assert json.loads(path.with_name("w.pth.json").read_text())["checked_against"] == f"md5:{MD5}"
    path.unlink()
    (tmp_path / "site" / "w.pth").write_bytes(b"changed")
    with pytest.raises(CytosaeError, match=f"does not match its checksum md5:{MD5}"):
        fetch_weights(file)


@pytest.mark.parametrize(
    "answer", ["not json", "{}", '{"files": []}', '{"files": [{"key": "w.pth", "checksum": "odd"}]}']
)
def test_a_record_that_does_not_help_gives_no_checksum(site: str, tmp_path: Path, answer: str) -> None:
    (tmp_path / "site" / "record").write_text(answer)
    assert published_checksum(weights_file(site, checksum=None, record=f"{site}/record")) is None
    assert published_checksum(weights_file(site, checksum=None, record=f"{site}/absent")) is None


def test_without_any_checksum_the_first_download_is_recorded(site: str) -> None:
    texts: list[str] = []

    class Messages(Silent):
        def message(self, text: str) -> None:
            texts.append(text)

    file = weights_file(site, checksum=None)
    with show_downloads(Messages()):
        path = fetch_weights(file)
    assert texts == ["No checksum of w.pth is known; its own is recorded and checked from now on."]
    path.write_bytes(b"decayed")
    with pytest.raises(CytosaeError, match=f"do not match their checksum sha256:{SHA256}"):
        fetch_weights(file)


def test_a_touched_file_is_read_again_and_accepted(site: str) -> None:
    file = weights_file(site)
    path = fetch_weights(file)
    path.touch()
    assert fetch_weights(file, offline=True) == path
    assert json.loads(path.with_name("w.pth.json").read_text())["mtime_ns"] == path.stat().st_mtime_ns


def test_an_unchanged_file_is_not_read_again(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = weights_file(site)
    fetch_weights(file)
    monkeypatch.setattr(module, "_digest", lambda *args: pytest.fail("was read"))
    fetch_weights(file)


def test_a_mirror_replaces_the_publisher(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYTOSAE_WEIGHTS_URL", f"{site}/")
    file = weights_file("http://127.0.0.1:1", record="http://127.0.0.1:1/record")
    assert fetch_weights(file).read_bytes() == CONTENT


def test_an_absent_file_says_what_to_do(site: str) -> None:
    with pytest.raises(CytosaeError, match=r"no file at .*/absent\.pth \(404\).* by hand to .* checkpoint=PATH"):
        fetch_weights(weights_file(site, url=f"{site}/absent.pth"))


def test_what_arrived_before_a_kill_is_checked_and_used(site: str, asked: list[str]) -> None:
    file = weights_file(site)
    weights_path(file).parent.mkdir(parents=True)
    weights_path(file).with_name("w.pth.arrived").write_bytes(CONTENT)
    assert fetch_weights(file).read_bytes() == CONTENT
    assert asked == []


def test_processes_that_want_the_same_file_share_one_download(site: str, asked: list[str]) -> None:
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        paths = pool.map(fetch_weights, [weights_file(site)] * 4)
    assert len(set(paths)) == 1
    assert asked == ["/w.pth"]


def test_the_catalogue_lists_dinobloom() -> None:
    entries = {entry.backbone: entry for entry in catalogue()}
    assert {"dinobloom-s", "dinobloom-b", "dinobloom-l", "dinobloom-g"} <= entries.keys()
    small = entries["dinobloom-s"]
    assert small.url == "https://zenodo.org/records/10908163/files/DinoBloom-S.pth"
    assert (small.cached, small.license) == (False, "Apache-2.0")


def test_weights_are_found_by_backbone_or_file() -> None:
    assert find_weights("dinobloom-b") == find_weights("DinoBloom-B.pth")
    with pytest.raises(CytosaeError, match=r"no weights named 'dinoblom-b'.*dinobloom-b"):
        find_weights("dinoblom-b")


@pytest.mark.parametrize(
    "changes", [{"name": "../w.pth"}, {"name": ""}, {"checksum": "sha256:12"}, {"checksum": "crc:0"}]
)
def test_malformed_descriptions_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"plain file name|checksum"):
        weights_file("http://x", **changes)
