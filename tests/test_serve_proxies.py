"""Behind proxies and in browsers: prefixes, other origins, addresses of every kind."""

import http.client
import json
import re
import socket
import stat
import sys
import time
from pathlib import Path

import pytest

from packlight.errors import PacklightError
from packlight.serve.cors import check_origins
from packlight.serve.listening import bind, bind_uds, check_address, written
from packlight.serve.loadtest.target import free_port
from packlight.serve.server import serve
from packlight.serve.settings import Settings
from served import INFER, Client, infer, serving

pytest_plugins = ["served"]
ROOT = "/models/intent"


@pytest.fixture(scope="module")
def published(artifact):
    """A server that a proxy publishes below a prefix."""
    with serving(artifact, root_path=ROOT) as process:
        yield Client(process.url)


@pytest.mark.parametrize("prefix", [ROOT, ""])
def test_requests_may_have_the_prefix_or_not(published, prefix):
    assert published.json("GET", f"{prefix}/v2/health/ready")[0] == 200
    assert published.json("POST", prefix + INFER, infer("wake me at seven"))[0] == 200
    assert published.json("POST", f"{prefix}/predict", {"text": "wake me at seven"})[0] == 200
    assert published("GET", f"{prefix}/")[0] == 200


def test_the_prefix_alone_leads_to_the_page(published):
    status, headers, _ = published("GET", ROOT)
    assert (status, headers["location"]) == (308, f"{ROOT}/")
    assert published("GET", f"{ROOT}x/v2")[0] == 404
    assert published("GET", f"{ROOT}{ROOT}/v2")[0] == 404


def test_the_description_names_the_prefix(published, client):
    assert published.json("GET", f"{ROOT}/openapi.json")[1]["servers"] == [{"url": ROOT}]
    assert client.json("GET", "/openapi.json")[1]["servers"] == [{"url": "/"}]


@pytest.mark.parametrize("path", ["/", "/docs", "/page.js"])
def test_links_are_relative(client, path):
    text = client("GET", path)[2].decode()
    links = re.findall(r"""(?:href|src)=["']([^"']+)|call\("([^"]+)""", text)
    found = [link for pair in links for link in pair if link]
    assert found
    assert not any(link.startswith(("/", "http")) for link in found), found


@pytest.mark.parametrize("root", ["models", "/models/", "/", "//a", "/a?b", "/a b", "http://a/b"])
def test_a_prefix_that_is_none_is_refused(artifact, root):
    with pytest.raises(PacklightError, match="--root-path"):
        serve(Settings(path=str(artifact), root_path=root))


def test_slashes_and_marks_are_as_with_kserve_and_triton(client):
    assert client.json("GET", "/v2/health/ready/")[0] == 200
    assert client.json("POST", f"{INFER}/", infer("a"))[0] == 200
    assert client.json("POST", "/predict/", {"text": "a"})[0] == 200
    status, answer = client.json("GET", "//v2/health/ready")
    assert (status, answer) == (404, {"error": "there is no such route: its path has two slashes in a row"})
    for path, body in ((INFER, infer("a")), ("/predict", {"text": "a"})):
        assert client.json("POST", path, b"\xef\xbb\xbf" + json.dumps(body).encode())[0] == 200
        assert client.json("POST", path, b"\xff\xfe" + json.dumps(body).encode("utf-16-le"))[0] == 400


READ = {"content-encoding", "inference-header-content-length", "traceparent", "x-api-key", "x-request-id"}


def test_a_preflight_allows_every_header_that_is_read(artifact):
    with serving(artifact, cors_origins=("https://app.example",)) as server:
        client = Client(server.url)
        asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        status, headers, _ = client("OPTIONS", INFER, b"", asked)
        assert status == 200
        assert headers["access-control-allow-origin"] == "https://app.example"
        assert set(headers["access-control-allow-headers"].split(", ")) >= READ | {"content-type", "authorization"}
        assert int(headers["access-control-max-age"]) > 0
        for path, body in ((INFER, infer("a")), (INFER, {}), ("/nowhere", {})):
            headers = client("POST", path, body, asked)[1]
            assert headers["access-control-allow-origin"] == "https://app.example"
            shown = set(headers["access-control-expose-headers"].split(", "))
            assert shown == {"x-request-id", "inference-header-content-length", "retry-after"}
        assert client("POST", INFER, infer("a"))[1]["vary"] == "origin", "caches keep answers to origins apart"


def test_every_origin_may_call_where_that_is_asked(artifact):
    with serving(artifact, cors_origins=("*",)) as server:
        _, headers, _ = Client(server.url)("POST", INFER, infer("a"), {"Origin": "https://any.example"})
        assert headers["access-control-allow-origin"] == "*"


def test_origins_that_no_browser_sends_are_refused(artifact):
    check_origins(["https://app.example", "http://localhost:3000", "http://[::1]:8080", "*"])
    for origin in (
        "https://app.example/",
        "app.example",
        "https://App.example",
        "https://app.example/a",
        "https://*",
        "",
    ):
        with pytest.raises(PacklightError, match="--cors-origin"):
            serve(Settings(path=str(artifact), cors_origins=(origin,)))


class UdsConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
def test_a_unix_socket_is_served_by_every_worker(artifact, tmp_path, monkeypatch):
    path = str(tmp_path / "s")
    monkeypatch.setattr("packlight.serve.loadtest.target.wait_until_ready", lambda *_: ready(path))
    with serving(artifact, workers=2, uds=path):
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o666
        for _ in range(8):
            connection = UdsConnection(path)
            connection.request("POST", INFER, json.dumps(infer("wake me at seven")).encode())
            assert connection.getresponse().status == 200
            connection.close()
        with pytest.raises(PacklightError, match="another server listens there"):
            bind_uds(path)
    assert not Path(path).exists(), "removed with the server"


def ready(path):
    for _ in range(600):
        connection = UdsConnection(path)
        try:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    return False


def test_what_lies_at_a_unix_sockets_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bind_uds("left").close()
    bind_uds("left").close()  # a killed server's socket is replaced
    (tmp_path / "file").touch()
    with pytest.raises(PacklightError, match="is not a socket"):
        bind_uds("file")
    with pytest.raises(PacklightError, match="longer than"):
        bind_uds("x" * 200)
    with pytest.raises(PacklightError, match="cannot be made"):
        bind_uds("no/where")


def test_addresses_are_written_as_urls():
    assert written(Settings(path="a", host="::", port=80)) == "http://[::]:80"
    assert written(Settings(path="a")) == "http://127.0.0.1:8080"
    assert written(Settings(path="a", uds="/run/s")) == "unix:/run/s"


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own errors")
def test_everywhere_is_ipv4_alone_where_there_is_no_ipv6(monkeypatch):
    real = socket.socket

    def without(family=socket.AF_INET, *more):
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return real(family, *more)

    monkeypatch.setattr("packlight.serve.listening.socket.socket", without)
    port = free_port()
    check_address("::", port)
    with bind("::", port) as own:
        assert own.family == socket.AF_INET


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_everywhere_is_ipv6_and_ipv4():
    port = free_port()
    check_address("::", port)
    with bind("::", port) as own:
        own.listen()
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        try:
            socket.create_connection(("::1", port), timeout=5).close()
        except OSError as error:
            pytest.skip(f"no IPv6 loopback here: {error}")
