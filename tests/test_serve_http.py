"""What valid but unusual clients send over real sockets: other protocols offered, connections kept, bodies announced."""

import json
import time

import pytest

from packlight.serve.settings import Limits
from served import INFER, Client, all_of, answer_of, infer, raw, serving

pytest_plugins = ["served"]
BODY = json.dumps(infer("wake me at seven")).encode()
OFFERS = {
    "Java's HTTP client": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB"),
    "a web socket": ("Connection: keep-alive, Upgrade", "Upgrade: websocket"),
    "other letters": ("connection: upgrade", "UPGRADE: H2C"),
}


def head(*headers, length=None, path=INFER):
    lines = (f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {length or len(BODY)}", *headers, "", "")
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("packets", ["one", "head and body", "bytes"])
def test_an_offer_of_another_protocol_is_ignored(server, offer, packets):
    request = head(*offer) + BODY
    cuts = {"one": [request], "head and body": [head(*offer), BODY], "bytes": [bytes([each]) for each in request]}
    with raw(server) as connection:
        for _ in range(2):
            for part in cuts[packets]:
                connection.sendall(part)
                if packets == "head and body":
                    time.sleep(0.05)
            said = answer_of(connection)
            assert said.startswith(b"HTTP/1.1 200"), said
            assert said.count(b"HTTP/1.1") == 1
            assert json.loads(said.partition(b"\r\n\r\n")[2])["outputs"][0]["data"] == ["alarm"]


def test_chunked_bodies_and_requests_in_a_row_keep_their_order_behind_an_offer(server):
    offer = "\r\n".join(OFFERS["Java's HTTP client"])
    chunked = f"POST {INFER} HTTP/1.1\r\nHost: a\r\n{offer}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunked += b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    live = f"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n{offer}\r\n\r\n".encode()
    ready = b"GET /v2/health/ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with raw(server) as connection:
        connection.sendall(chunked + live + ready)
        said = all_of(connection)
    assert said.count(b"HTTP/1.1 200") == 3
    assert said.index(b"outputs") < said.index(b'{"live":true}') < said.index(b'{"ready":true}')


def test_many_offers_in_one_packet_do_no_harm(server):
    live = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    with raw(server) as connection:
        connection.sendall(live * 2000)
        connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert all_of(connection).count(b'{"live":true}') == 2000
    assert Client(server.url).json("GET", "/v2/health/live")[0] == 200


def test_what_only_looks_like_an_offer_is_refused_in_json(server):
    for request in (
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):
        with raw(server) as connection:
            connection.sendall(request)
            assert all_of(connection).startswith(b"HTTP/1.1 400")


def test_an_idle_connection_stays_longer_than_balancers_keep_theirs():
    assert Limits().keep_alive_seconds > 75


def test_an_idle_connection_stays_longer_than_a_head_may_take(artifact):
    with serving(artifact, limits={"head_seconds": 1, "keep_alive_seconds": 600}) as server:
        with raw(server) as connection:
            for _ in range(2):
                connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
                assert answer_of(connection).endswith(b'{"live":true}')
                time.sleep(2)
        with raw(server) as connection:
            assert connection.recv(1) == b"", "one that brings nothing is bounded as a head is"


def test_an_idle_connection_is_closed_after_the_time_that_was_stated(artifact):
    limits = {"head_seconds": 600, "keep_alive_seconds": 1}
    with serving(artifact, limits=limits) as server, raw(server) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer_of(connection).endswith(b'{"live":true}')
        assert connection.recv(1) == b""


@pytest.mark.parametrize("path", [INFER, "/predict"])
def test_a_body_too_large_is_refused_before_it_is_sent(server, path):
    with raw(server) as connection:
        connection.sendall(head("Expect: 100-continue", length=1 << 30, path=path))
        connection.settimeout(5)
        said = all_of(connection)
    assert said.startswith(b"HTTP/1.1 413")
    assert b"100 Continue" not in said
    assert b"connection: close" in said


def test_a_body_that_fits_is_asked_for(server):
    with raw(server) as connection:
        connection.sendall(head("Expect: 100-continue"))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert answer_of(connection).startswith(b"HTTP/1.1 200")
