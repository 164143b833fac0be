"""Servers for tests: an artifact of the tiny run served by real worker processes, and a plain client."""

import contextlib
import http.client
import json
import socket
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from packlight.runtime.artifact import MANIFEST
from packlight.serve.loadtest.target import served

pytest_plugins = ["tiny_run"]
MODEL = "intent"


class Client:
    """One keep-alive connection."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)

    def __call__(self, method, path, body=None, headers=None):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self.connection.request(method, path, data, headers or {})
        response = self.connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()

    def json(self, method, path, body=None, headers=None):
        status, _, data = self(method, path, body, headers)
        return status, json.loads(data)


@contextmanager
def serving(folder, *, workers=1, **settings):
    # In a folder of artifacts, models have their folders' names.
    name = MODEL if (folder / MANIFEST).is_file() else None
    with served(folder, workers=workers, name=name, **settings) as process:
        yield process


@contextmanager
def raw(server):
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        yield connection


def all_of(connection):
    """Everything until the server ends the connection."""
    with contextlib.suppress(ConnectionResetError):
        return b"".join(iter(lambda: connection.recv(65536), b""))
    return b""


def answer_of(connection):
    """One answer, whose body is a JSON object."""
    said = b""
    while not said.endswith(b"}") and (more := connection.recv(65536)):
        said += more
    return said


@pytest.fixture(scope="session")
def artifact(tiny_run):
    return tiny_run / "variants" / "student-onnx-static"


@pytest.fixture(scope="module")
def server(artifact):
    """One worker with its defaults, shared by a module's tests."""
    with serving(artifact) as process:
        yield process


@pytest.fixture
def client(server):
    one = Client(server.url)
    yield one
    one.connection.close()


def infer(*texts, **more):
    return {"inputs": [{"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}], **more}


INFER = f"/v2/models/{MODEL}/infer"
