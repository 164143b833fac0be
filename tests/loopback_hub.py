"""A Hub on 127.0.0.1 that serves model and data set repositories from local folders.

It speaks the part of the protocol that huggingface_hub's downloads need, and, in `loopback_uploads`, its uploads:
these want `hub.token`, and leave `hub.created`, `hub.branches` and `hub.messages`. A test asks for the fixture `hub`
(`pytest_plugins = ["loopback_hub"]` at the top of the test file), publishes folders, and finds in
`hub.downloads` what was really downloaded. Environment and huggingface_hub's constants point to it, with a
cache of the test's own; `environment` is for processes that the test starts.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

import loopback_uploads

LFS_SUFFIXES = (".safetensors", ".bin", ".parquet")


class Repo:
    """Revisions of one repository; the content of a file is read from its folder when it is served."""

    def __init__(self):
        self.revisions: dict[str, str] = {}
        self.commits: dict[str, Path] = {}
        self.entries: dict[str, dict[str, dict]] = {}
        self.discussions: list[dict] = []

    def publish(self, folder: Path, revision: str) -> str:
        entries = {
            file.relative_to(folder).as_posix(): _entry(file) for file in sorted(folder.rglob("*")) if file.is_file()
        }
        commit = hashlib.sha1(json.dumps(entries, sort_keys=True).encode()).hexdigest()
        self.revisions[revision], self.commits[commit], self.entries[commit] = commit, folder, entries
        return commit

    def commit(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.revisions.get(revision)


def _entry(file: Path) -> dict:
    content = file.read_bytes()
    git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry = {"type": "file", "path": file.name, "size": len(content), "oid": git, "etag": git}
    if file.suffix in LFS_SUFFIXES:
        entry["etag"] = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": entry["etag"], "size": len(content), "pointerSize": 134}
    return entry


class LoopbackHub:
    """The server; `downloads` and `requests` are what clients asked for, in order."""

    def __init__(self, home: Path):
        self.home = home
        self.repos: dict[tuple[str, str], Repo] = {}
        self.requests: list[str] = []
        self.downloads: list[str] = []
        self.ranges: list[str] = []
        self.cut_next_download_after: int | None = None
        self.token = "a-token-of-the-test"
        self.created: dict[str, dict] = {}
        self.branches: list[str] = []
        self.messages: list[str] = []
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point another process to this Hub."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
        }

    def model(self, name: str, folder: Path, *, revision: str = "main") -> str:
        """Publish a folder as a model repository; returns the commit."""
        return self.repos.setdefault(("model", name), Repo()).publish(folder, revision)

    def dataset(self, name: str, folder: Path, *, revision: str = "main") -> str:
        """Publish a folder as a data set repository; returns the commit."""
        return self.repos.setdefault(("dataset", name), Repo()).publish(folder, revision)

    def propose(self, name: str, number: int, author: str) -> None:
        """Open a pull request of a model repository."""
        self.repos["model", name].discussions.append(
            {
                "title": "Adding `safetensors` variant of this model",
                "num": number,
                "author": {"name": author},
                "createdAt": "2023-03-31T12:00:00.000Z",
                "status": "open",
                "repo": {"name": name, "type": "model"},
                "isPullRequest": True,
            }
        )

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: LoopbackHub):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._route()

    def do_GET(self):
        self._route()

    def do_POST(self):
        self._upload()

    def do_PUT(self):
        self._upload()

    def _upload(self):
        path = urlsplit(self.path).path
        self.server.hub.requests.append(f"{self.command} {unquote(path)}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = loopback_uploads.answer(self.server.hub, path, body, self.headers.get("Authorization"))
        headers = {"X-Error-Code": found.code} if found.code else {}
        return self._send(found.status, json.dumps(found.document).encode(), "application/json", headers)

    def log_message(self, *_):
        """Tests read `hub.requests`."""

    def _route(self):
        path = urlsplit(self.path).path
        self.server.hub.requests.append(f"{self.command} {unquote(path)}")
        kind = "dataset" if path.startswith(("/datasets/", "/api/datasets/")) else "model"
        api = path.startswith("/api/")
        rest = path.removeprefix("/api").removeprefix("/datasets" if kind == "dataset" else "/models")
        parts = rest.strip("/").split("/")
        repo = self.server.hub.repos.get((kind, "/".join(parts[:2])))
        if repo is None:
            return self._fail(404, "RepoNotFound")
        if not api:
            return self._file(repo, unquote(parts[3]), unquote("/".join(parts[4:])))
        if parts[2:] == ["discussions"]:
            found = repo.discussions
            return self._json({"count": len(found), "start": 0, "discussions": found})
        revision = unquote(parts[3]) if len(parts) > 3 else "main"
        commit = repo.commit(revision)
        if commit is None:
            return self._fail(404, "RevisionNotFound")
        if parts[2:3] == ["tree"]:
            return self._json([{**entry, "path": name} for name, entry in repo.entries[commit].items()])
        siblings = [{"rfilename": name} for name in repo.entries[commit]]
        return self._json({"id": "/".join(parts[:2]), "sha": commit, "siblings": siblings, "tags": []})

    def _file(self, repo, revision, name):
        commit = repo.commit(revision)
        if commit is None:
            return self._fail(404, "RevisionNotFound")
        if name not in repo.entries[commit]:
            return self._fail(404, "EntryNotFound", {"X-Repo-Commit": commit})
        content = (repo.commits[commit] / name).read_bytes()
        headers = {"ETag": f'"{repo.entries[commit][name]["etag"]}"', "X-Repo-Commit": commit}
        start, asked = 0, self.headers.get("Range")
        if self.command == "GET":
            self.server.hub.downloads.append(name)
        if asked:
            self.server.hub.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._send(206 if asked else 200, content[start:], "application/octet-stream", headers)

    def _json(self, value):
        return self._send(200, json.dumps(value).encode(), "application/json", {})

    def _fail(self, status, code, headers=None):
        return self._send(status, b"{}", "application/json", {"X-Error-Code": code, **(headers or {})})

    def _send(self, status, body, kind, headers):
        self.send_response(status)
        # no connection is kept, so that none outlives `stop`
        headers = {"Connection": "close", "Content-Type": kind, "Content-Length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut, is_file = self.server.hub.cut_next_download_after, kind == "application/octet-stream"
        if is_file and cut is not None and len(body) > cut:
            self.server.hub.cut_next_download_after = None
            body = body[:cut]
        with suppress(ConnectionError):
            self.wfile.write(body)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A running Hub without repositories, and a cache without files."""
    home = tmp_path / "hf-home"
    server = LoopbackHub(home)
    for name in (*os.environ,):
        if name.startswith(("HF_", "TRANSFORMERS_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    # huggingface_hub read the environment when it was imported
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HOME", str(home))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    yield server
    server.stop()
