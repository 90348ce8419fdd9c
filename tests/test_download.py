"""Downloads that resume, against a server on the loopback that can be made to misbehave."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from cytosae_toolkit import download as module
from cytosae_toolkit.download import CHUNK, DownloadError, download, part_path
from cytosae_toolkit.progress import Silent

CONTENT = bytes(range(256)) * 20_000
"""5 MB."""

CUT = 16 * CHUNK


@dataclass
class Server:
    """What it serves, and how badly.

    `cuts` holds after how many bytes each of the next answers breaks off; `statuses` what the next ones are
    instead.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    ranges: bool = True
    etag: bool = True
    length: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def tag(self, content: bytes) -> str:
        """The ETag of a content."""
        return f'"{hashlib.md5(content).hexdigest()}"'


class _Handler(BaseHTTPRequestHandler):
    server_state: Server

    def do_GET(self) -> None:
        state = self.server_state
        asked = self.headers.get("Range")
        state.requests.append((self.path, asked))
        content = state.files.get(self.path)
        if state.statuses:
            return self.send_error(state.statuses.pop(0))
        if content is None:
            return self.send_error(404)
        start = self._start(asked, content)
        if start >= len(content) > 0:
            return self.send_error(416)
        self._send(content, start)
        return None

    def _start(self, asked: str | None, content: bytes) -> int:
        state = self.server_state
        if not (asked and state.ranges) or self.headers.get("If-Range") != state.tag(content):
            return 0
        return int(asked.removeprefix("bytes=").split("-")[0])

    def _send(self, content: bytes, start: int) -> None:
        state = self.server_state
        self.send_response(206 if start else 200)
        if state.length:
            self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if state.etag:
            self.send_header("ETag", state.tag(content))
        self.end_headers()
        end = start + state.cuts.pop(0) if state.cuts else len(content)
        self.wfile.write(content[start:end])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve `CONTENT` as ``/w.pth``; attempts follow each other without a pause."""
    monkeypatch.setattr(module, "PAUSE", 0.0)
    state = Server({"/w.pth": CONTENT})
    handler = type("Handler", (_Handler,), {"server_state": state})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield state
    http.shutdown()
    http.server_close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "w.pth"


class Recorder(Silent):
    """Keeps what a progress display would be told."""

    def __init__(self) -> None:
        self.opened: list[tuple[int, int]] = []
        self.advanced = 0

    def task(self, description: str, total: int, unit: str, done: int = 0):
        from contextlib import nullcontext

        self.opened.append((total, done))
        return nullcontext(SimpleNamespace(advance=self._advance, note=lambda text: None))

    def _advance(self, n: int = 1) -> None:
        self.advanced += n


def leave_part(server: Server, target: Path, n_bytes: int) -> None:
    """Let a download be cut off after some bytes, for good."""
    server.cuts = [n_bytes, 0, 0, 0]
    with pytest.raises(DownloadError, match="stopped: the connection"):
        download(f"{server.url}/w.pth", target)
    server.requests.clear()
    assert part_path(target).stat().st_size == n_bytes


def test_a_file_arrives_whole(server: Server, target: Path) -> None:
    progress = Recorder()
    download(f"{server.url}/w.pth", target, progress=progress)
    assert target.read_bytes() == CONTENT
    assert progress.opened == [(len(CONTENT), 0)]
    assert progress.advanced == len(CONTENT)
    assert sorted(path.name for path in target.parent.iterdir()) == ["w.pth"]


def test_a_transfer_that_is_cut_off_goes_on(server: Server, target: Path) -> None:
    server.cuts = [CUT, 2 * CUT]
    progress = Recorder()
    download(f"{server.url}/w.pth", target, progress=progress)
    assert target.read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, f"bytes={CUT}-", f"bytes={3 * CUT}-"]
    assert progress.opened[-1] == (len(CONTENT), 3 * CUT)
    assert progress.advanced == len(CONTENT)


def test_a_later_session_goes_on(server: Server, target: Path) -> None:
    leave_part(server, target, CUT)
    assert not target.exists()
    download(f"{server.url}/w.pth", target)
    assert server.requests == [("/w.pth", f"bytes={CUT}-")]
    assert target.read_bytes() == CONTENT


def test_a_changed_file_starts_again(server: Server, target: Path) -> None:
    leave_part(server, target, CUT)
    server.files["/w.pth"] = CONTENT[::-1]
    download(f"{server.url}/w.pth", target)
    assert target.read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_starts_again(server: Server, target: Path) -> None:
    leave_part(server, target, CUT)
    server.ranges = False
    download(f"{server.url}/w.pth", target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_does_not_identify_its_file_starts_again(server: Server, target: Path) -> None:
    server.etag = False
    server.cuts = [CUT]
    download(f"{server.url}/w.pth", target)
    assert [asked for _, asked in server.requests] == [None, None]
    assert target.read_bytes() == CONTENT


def test_another_url_starts_again(server: Server, target: Path) -> None:
    leave_part(server, target, CUT)
    server.files["/other.pth"] = b"other"
    download(f"{server.url}/other.pth", target)
    assert target.read_bytes() == b"other"


def test_a_part_that_is_already_whole_is_not_trusted_blindly(server: Server, target: Path) -> None:
    leave_part(server, target, CUT)
    part_path(target).write_bytes(CONTENT + b"more")
    download(f"{server.url}/w.pth", target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_states_no_length(server: Server, target: Path) -> None:
    server.length = False
    download(f"{server.url}/w.pth", target)
    assert target.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server: Server, target: Path) -> None:
    server.statuses = [503, 429]
    download(f"{server.url}/w.pth", target)
    assert target.read_bytes() == CONTENT
    server.statuses = [500] * 10
    with pytest.raises(DownloadError, match="server answered 500"):
        download(f"{server.url}/w.pth", target.with_name("other"))


@pytest.mark.parametrize(("status", "message"), [(404, r"no file at .*\(404\)"), (403, "refused .*403 Forbidden")])
def test_a_file_that_is_not_given_out_is_asked_for_once(
    server: Server, target: Path, status: int, message: str
) -> None:
    server.statuses = [status]
    with pytest.raises(DownloadError, match=message):
        download(f"{server.url}/w.pth", target)
    assert len(server.requests) == 1
    assert list(target.parent.iterdir()) == []


def test_no_server_is_a_sentence(server: Server, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:1 cannot be reached"):
        download("http://127.0.0.1:1/w.pth", target)
    with pytest.raises(DownloadError, match="cannot be downloaded"):
        download("nonsense://x", target)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (requests.exceptions.ConnectTimeout, "does not answer"),
        (requests.exceptions.ReadTimeout, "sent nothing"),
    ],
)
def test_timeouts_are_sentences(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception], message: str
) -> None:
    def get(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(requests, "get", get)
    with pytest.raises(DownloadError, match=message):
        download(f"{server.url}/w.pth", target)


def test_a_full_disk_is_noticed_before(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2_000_000))
    with pytest.raises(DownloadError, match=r"disk is full: w.pth needs 5 MB more .* 2 MB are free"):
        download(f"{server.url}/w.pth", target)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_meanwhile_is_a_sentence(server: Server, target: Path) -> None:
    part_path(target).symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"The disk is full: .*w\.pth\.part could not be written"):
        download(f"{server.url}/w.pth", target)
