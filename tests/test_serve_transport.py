"""Heads and bodies on the wire: joined where both are there, and nothing held back where not."""

import asyncio

import pytest

from packlight.serve.transport import JoiningTransport

START = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """A transport that keeps what it is told."""

    def __init__(self):
        self.told = []

    def write(self, data):
        self.told.append(data)

    def close(self):
        self.told.append("close")

    def is_closing(self):
        return "close" in self.told

    def get_extra_info(self, name):
        return name


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def a_round(loop):
    loop.run_until_complete(asyncio.sleep(0))


def test_a_head_and_its_body_are_one_packet(loop):
    wire = Wire()
    joined = JoiningTransport(wire, loop)
    for body in (b"{}", b"[]"):
        joined.write(START)
        joined.write(body)
    assert wire.told == [START + b"{}", START + b"[]"]
    a_round(loop)
    assert wire.told == [START + b"{}", START + b"[]"]


def test_a_head_alone_goes_out_with_the_next_round_or_the_end(loop):
    wire = Wire()
    joined = JoiningTransport(wire, loop)
    joined.write(START)
    assert wire.told == []
    a_round(loop)
    assert wire.told == [START]
    joined.write(START)
    joined.close()
    assert wire.told == [START, START, "close"]
    assert joined.is_closing()


def test_what_is_no_head_is_not_held_back(loop):
    wire = Wire()
    joined = JoiningTransport(wire, loop)
    joined.write(b"more of a body")
    assert wire.told == [b"more of a body"]
    assert joined.get_extra_info("peername") == "peername"
