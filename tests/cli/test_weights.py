"""``cytosae-toolkit weights``."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cytosae_toolkit.cli.main import app

CONTENT = b"stands for weights" * 1000


def run(*arguments: str):
    return CliRunner().invoke(app, ["weights", *arguments])


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A mirror that serves something else as DinoBloom-B and -S."""
    for size in "BS":
        (tmp_path / f"DinoBloom-{size}.pth").write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("CYTOSAE_WEIGHTS_URL", f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_list_shows_origin_and_licence(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert "dinobloom-b" in result.stdout
    assert "https://zenodo.org/records/10908163/files/DinoBloom-B.pth" in result.stdout
    assert "Apache-2.0" in result.stdout


def test_list_as_json() -> None:
    entries = {entry["backbone"]: entry for entry in json.loads(run("list", "--json").stdout)}
    assert entries["dinobloom-s"]["checksum"].startswith("sha256:c2f7990b")
    assert entries["dinobloom-s"]["cached"] is False


def test_fetch_downloads_into_the_cache(mirror: None) -> None:
    result = run("fetch", "dinobloom-b", "--quiet", "--json")
    entry = json.loads(result.stdout)
    assert Path(entry["path"]).read_bytes() == CONTENT
    assert entry["cached"] is True
    assert entry["size"] == len(CONTENT)
    assert entry["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    again = run("fetch", "DinoBloom-B.pth", "--offline")
    assert again.exit_code == 0
    assert entry["path"] in again.stdout
    assert "Apache-2.0" in again.stdout
    listed = run("list")
    assert "yes" in listed.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fetch", "dinoblom-b"], "Did you mean dinobloom-b"),
        (["fetch", "dinobloom-l", "--offline"], "offline forbids"),
        (["fetch", "dinobloom-l"], "There is no file at"),
        (["fetch", "dinobloom-s"], "does not match its checksum"),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_exit_code_2(mirror: None, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
