"""One ordinary client must not stop the others."""

import threading
import time

import pytest

from served import INFER, Client, infer, serving

pytest_plugins = ["served"]
TEXTS = ["play the song queen and then some more music by mozart"] * 4000
"""seconds of work, one text a slice"""


@pytest.fixture(scope="module")
def server(artifact):
    limits = {"batch_tokens": 1, "texts": len(TEXTS), "queue_texts": 2 * len(TEXTS), "deadline_seconds": 60}
    with serving(artifact, limits=limits) as process:
        yield process


def in_background(server, body):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(Client(server.url).json("POST", INFER, body)))
    thread.start()
    time.sleep(0.2)
    return thread, answers


def test_a_single_text_is_answered_while_a_large_request_runs(server, client):
    thread, answers = in_background(server, infer(*TEXTS))
    for _ in range(10):
        assert client.json("POST", INFER, infer("wake me at seven"))[0] == 200
    assert client.json("GET", "/v2/health/ready")[0] == 200
    assert not answers, "the large one still runs"
    thread.join()
    ((status, document),) = answers
    assert status == 200
    assert document["outputs"][0]["shape"] == [len(TEXTS)]


def test_a_large_request_is_answered_at_its_own_deadline(client):
    began = time.monotonic()
    status, document = client.json("POST", INFER, infer(*TEXTS, parameters={"timeout": 50_000}))
    assert (status, list(document)) == (504, ["error"])
    asked = time.monotonic() - began
    assert client.json("POST", INFER, infer("wake me at seven"))[0] == 200
    began = time.monotonic()
    assert client.json("POST", INFER, infer(*TEXTS))[0] == 200
    assert asked < time.monotonic() - began, "what was late was not finished all the same"


def test_the_deadline_counts_tokenizing_too(client):
    body = infer(*["a " * 20_000] * 60, parameters={"timeout": 1})
    assert client.json("POST", INFER, body)[0] == 504
