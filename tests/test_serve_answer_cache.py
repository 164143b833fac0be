import asyncio
import json
import shutil

import numpy as np
import pytest

from packlight.serve.answer_cache import LONGEST_TEXT, AnswerCache, Inferred
from packlight.serve.http_errors import HTTPError, overloaded
from packlight.serve.loadtest.measure import measure_load
from packlight.serve.loadtest.rates import Ramp
from packlight.serve.loadtest.result import Bound, write_result
from served import INFER, MODEL, Client, infer, serving

pytest_plugins = ["command", "served"]


class Model:
    """Logits that say which text they are of; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    async def __call__(self, texts):
        self.asked.append(list(texts))
        logits = np.array([[len(text), hash(text) % 97] for text in texts], dtype=np.float32)
        return Inferred(logits, [len(text) > 3 for text in texts])


def ask(cache, model, *texts, artifact="a"):
    return inferred(cache, model, *texts, artifact=artifact).logits


def inferred(cache, model, *texts, artifact="a"):
    return asyncio.run(cache.inferred(artifact, texts, model))


def test_only_what_is_not_known_is_asked_of_the_model():
    cache, model = AnswerCache(10), Model()
    first = ask(cache, model, "one", "two")
    again = ask(cache, model, "two", "three", "one", "two")
    assert model.asked == [["one", "two"], ["three"]]
    assert (again[[2, 0]] == first).all()
    assert again.dtype == first.dtype
    assert again.tolist() == ask(AnswerCache(1), Model(), "two", "three", "one", "two").tolist()
    assert (cache.hits, cache.misses, len(cache)) == (3, 3, 3)


def test_it_knows_which_texts_were_truncated():
    cache, model = AnswerCache(10), Model()
    assert inferred(cache, model, "three", "one").truncated == [True, False]
    assert inferred(cache, model, "one", "four", "three").truncated == [False, True, True]
    assert model.asked == [["three", "one"], ["four"]]


def test_another_artifact_never_gives_an_old_answer():
    cache, model = AnswerCache(10), Model()
    ask(cache, model, "one")
    ask(cache, model, "one", artifact="b")
    assert model.asked == [["one"], ["one"]]


def test_the_text_used_longest_ago_makes_room():
    cache, model = AnswerCache(2), Model()
    for text in ("one", "two", "one", "three"):
        ask(cache, model, text)
    assert len(cache) == 2
    model.asked.clear()
    ask(cache, model, "one", "three", "two")
    assert model.asked == [["two"]]


def test_more_texts_than_it_holds_are_answered_too():
    cache, model = AnswerCache(2), Model()
    texts = [str(number) for number in range(5)]
    assert ask(cache, model, *texts).tolist() == ask(AnswerCache(9), Model(), *texts).tolist()
    assert len(cache) == 2


def test_long_texts_are_not_kept():
    cache, model = AnswerCache(10), Model()
    for _ in range(2):
        ask(cache, model, "x" * (LONGEST_TEXT + 1), "x" * LONGEST_TEXT)
    assert [len(texts) for texts in model.asked] == [2, 1]
    assert len(cache) == 1


def test_who_gets_an_answer_cannot_change_it():
    cache, model = AnswerCache(10), Model()
    ask(cache, model, "one")[0, 0] = 7
    ask(cache, model, "one")[0, 0] = 8
    assert ask(cache, model, "one")[0, 0] == 3


def test_a_full_queue_still_answers_what_is_known():
    cache, model = AnswerCache(10), Model()
    ask(cache, model, "one")

    def full(_):
        raise overloaded()

    assert ask(cache, full, "one").shape == (1, 2)
    with pytest.raises(HTTPError):
        ask(cache, full, "one", "two")


@pytest.fixture(scope="module")
def cached(artifact):
    with serving(artifact, cache_texts=100) as process:
        yield process


def counts(client):
    lines = client("GET", "/metrics")[2].decode().splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("packlight_cache_")}


def test_a_server_answers_the_same_with_and_without(cached, client):
    with_cache = Client(cached.url)
    texts = ["wake me at seven", "play the song queen", "", "🙂 größer", "wake me at seven"]
    more = {"outputs": [{"name": name} for name in ("label", "scores", "out_of_scope")]}
    for body in (infer(*texts, **more), infer(texts[0], **more), infer(*reversed(texts), **more)):
        expected = client.json("POST", INFER, body)[1]["outputs"]
        for _ in range(2):
            assert with_cache.json("POST", INFER, body)[1]["outputs"] == expected
    for _ in range(2):
        plain = with_cache.json("POST", "/predict", {"text": texts, "top_k": 3})
        assert plain == client.json("POST", "/predict", {"text": texts, "top_k": 3})
    assert counts(with_cache) == {
        "packlight_cache_hits_total": 27.0,
        "packlight_cache_misses_total": 5.0,
        "packlight_cache_texts": 4.0,
    }
    assert set(counts(client).values()) == {0.0}


def test_a_new_version_answers_for_itself(artifact, tiny_run, tmp_path):
    shutil.copytree(artifact, tmp_path / MODEL / "1")
    shutil.copytree(tiny_run / "variants" / "teacher-onnx", tmp_path / MODEL / "2")
    with serving(tmp_path, cache_texts=10) as server:
        client = Client(server.url)
        for _ in range(2):
            scores = [
                client.json("POST", f"/v2/models/{MODEL}/versions/{version}/infer", infer("wake me at seven"))[1][
                    "outputs"
                ]
                for version in (1, 2)
            ]
            assert scores[0] != scores[1]
        assert counts(client)["packlight_cache_texts"] == 2


def test_the_plan_says_how_much_the_cache_answered(cached, packlight, tmp_path):
    result = measure_load(
        cached,
        ["one", "two"],
        model=MODEL,
        source="invented",
        ramp=Ramp(seconds=1),
        bound=Bound(p99_ms=60_000),
        rates=[50],
    )
    assert 0.9 < result.cache_hit_rate <= 1
    write_result(result, tmp_path / "load.json")
    told = packlight("plan", "--measured", tmp_path / "load.json", "--rate", 100)
    assert told.status == 0
    assert "of the test's texts" in " ".join(told.out.split())
    asked = json.loads(packlight("plan", "--measured", tmp_path / "load.json", "--json").out)
    assert asked["figures"]["cache_hit_rate"] == result.cache_hit_rate
