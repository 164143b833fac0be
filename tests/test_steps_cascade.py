"""The switch of a cascade and the engine that follows it."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from packlight.errors import ArtifactError
from packlight.runtime.artifact import Artifact
from packlight.runtime.engine import Engine, EngineInfo
from packlight.runtime.engines.cascade import CONFIG_KEY, CascadeEngine, read_threshold
from packlight.steps.cascade.threshold import choose_threshold, min_certifiable_drop


def by_hand(confidence, first, second, weights, threshold):
    """The cascade's accuracy, and the share that the first model answers."""
    taken = confidence >= threshold
    right = np.where(taken, first, second)
    return (weights * right).sum() / weights.sum(), taken.mean()


CASES = st.lists(
    st.tuples(st.integers(1, 8), st.booleans(), st.booleans(), st.sampled_from([0.5, 1.0, 3.0])),
    min_size=1,
    max_size=25,
)


@given(CASES, st.sampled_from([0.1, 0.4, 0.9]), st.sampled_from([0.5, 0.95]))
def test_the_switch_is_the_lowest_that_surely_loses_no_more(case, loss, confidence):
    levels, first, second, weights = (np.array(side) for side in zip(*case, strict=True))
    probability = levels / 8
    chosen = choose_threshold(probability, first, second, loss=loss, confidence=confidence, weights=weights)
    alone = (weights * second).sum() / weights.sum()
    accuracy, kept = by_hand(probability, first, second, weights, chosen.threshold)
    assert chosen.accuracy == pytest.approx(accuracy)
    assert chosen.kept == pytest.approx(kept)
    assert chosen.second_accuracy == pytest.approx(alone)
    assert chosen.first_accuracy == pytest.approx((weights * first).sum() / weights.sum())
    assert chosen.spoilt <= chosen.spoilt_limit <= loss
    assert accuracy >= alone - loss
    lower = sorted(set(probability[probability < chosen.threshold]), reverse=True)
    if lower:  # one threshold further down the limit is over the loss
        taken = probability >= lower[0]
        assert limit_of(weights, taken & second & ~first, confidence) > loss


def limit_of(weights, spoilt, confidence):
    """Fay and Feuer's, as they write it: by the events and their weights."""
    shares = weights / weights.sum()
    events, heaviest = shares[spoilt], shares.max()
    mean, variance = events.sum() + heaviest, (events**2).sum() + heaviest**2
    from scipy.stats import gamma  # a second that collecting tests need not wait for

    return gamma.ppf(confidence, mean**2 / variance, scale=variance / mean)


def test_with_equal_weights_the_limit_is_the_exact_one_of_a_poisson_count():
    # Three of 200 spoilt: the mean at which three or fewer events are as likely as 5 % is 7.754.
    first = np.arange(200) >= 3
    chosen = choose_threshold(
        np.full(200, 0.5), first, np.ones(200, dtype=bool), loss=0.5, confidence=0.95, weights=np.ones(200)
    )
    assert chosen.spoilt == pytest.approx(0.015)
    from scipy.stats import poisson  # a second that collecting tests need not wait for

    assert poisson.cdf(3, 200 * chosen.spoilt_limit) == pytest.approx(0.05)


def test_the_stated_loss_is_kept_as_often_as_stated():
    """Of samples drawn from traffic that is known, hardly more than a twentieth mislead."""
    draw = np.random.default_rng(0)
    broken = 0
    for _ in range(400):
        probability = draw.random(600)
        outside = draw.random(600) < 0.1
        # The less sure the first model, the likelier it spoils an answer; twice as likely out of scope.
        spoilt = draw.random(600) < (1 - probability) * np.where(outside, 0.2, 0.1)
        weights = np.where(outside, 0.2 / 0.1, 0.8 / 0.9)
        chosen = choose_threshold(
            probability, ~spoilt, np.ones(600, dtype=bool), loss=0.02, confidence=0.95, weights=weights
        )
        reach = max(0.0, 1 - chosen.threshold)
        broken += (0.8 * 0.1 + 0.2 * 0.2) * reach**2 / 2 > 0.02
    assert broken <= 0.08 * 400


def test_too_few_texts_vouch_for_nothing():
    right = np.ones(20, dtype=bool)
    weights = np.ones(20)
    chosen = choose_threshold(np.linspace(0.5, 1, 20), right, right, loss=0.1, confidence=0.95, weights=weights)
    assert (chosen.kept, chosen.accuracy) == (0, pytest.approx(1))
    assert chosen.threshold > 1
    least = min_certifiable_drop(weights, confidence=0.95)
    assert least == pytest.approx(-np.log(0.05) / 20)
    chosen = choose_threshold(np.linspace(0.5, 1, 20), right, right, loss=least, confidence=0.95, weights=weights)
    assert chosen.kept == 1


def test_a_first_model_that_is_always_wrong_answers_nothing():
    wrong = np.zeros(500, dtype=bool)
    chosen = choose_threshold(np.linspace(0, 1, 500), wrong, ~wrong, loss=0.001, confidence=0.95, weights=np.ones(500))
    assert chosen.threshold > 1
    assert (chosen.kept, chosen.accuracy) == (0, pytest.approx(1))


class Given(Engine):
    """An engine that gives the logits that were put into it, and remembers what it was asked."""

    info = EngineInfo(name="given", label="given", colour="#000000", form="given")
    threads = 1

    def __init__(self, logits):
        self.known, self.asked = logits, []

    def encode(self, texts):
        return list(texts)

    def logits(self, texts):
        self.asked += texts
        return np.array([self.known[text] for text in texts], dtype=np.float32)


FIRST_LABELS, LABELS = ("music", "oos", "alarm"), ("alarm", "music", "oos")
QUICK = {"sure": [9, 0, 0], "unsure": [1, 0.5, 0], "edge": [0, 0, 2]}
SLOW = {"sure": [5, 0, 0], "unsure": [0, 0, 7], "edge": [0, 8, 0]}


@pytest.fixture
def cascade(tiny, tmp_path, monkeypatch):
    """A cascade of two invented models whose labels stand in another order; gives the engine and both of its own."""

    def open_with(threshold, *, first_labels=FIRST_LABELS):
        shutil.rmtree(tmp_path / "both", ignore_errors=True)
        for part, labels in (("both/first", first_labels), ("both/second", LABELS), ("both", LABELS)):
            folder = tmp_path / part
            folder.mkdir(parents=True, exist_ok=True)
            config = {"id2label": dict(enumerate(labels)), CONFIG_KEY: {"threshold": threshold}}
            (folder / "config.json").write_text(json.dumps(config))
            (folder / "model_static.safetensors").write_bytes(b"")
            model = "model_static.safetensors"
            artifact = tiny.seal_variant(folder, engine="cascade" if part == "both" else "static", model_file=model)
        first, second = Given(QUICK), Given(SLOW)
        engines = {"first": first, "second": second}
        monkeypatch.setattr("packlight.runtime.engines.open_engine", lambda each, **_: engines[each.path.name])
        return CascadeEngine(artifact, threads=1), first, second

    return open_with


def test_where_it_is_sure_the_first_models_answer_is_taken_exactly(cascade):
    engine, first, second = cascade(0.9)
    said = engine.predict(["sure", "unsure", "edge"])
    # The first model's labels stand in another order: its music is the second column here.
    assert said.tolist() == [[0, 9, 0], [0, 0, 7], [0, 8, 0]]
    assert first.asked == ["sure", "unsure", "edge"]
    assert second.asked == ["unsure", "edge"]
    assert LABELS[said[0].argmax()] == "music"


def test_the_threshold_itself_is_sure_enough(cascade):
    edge = float(softmax(np.array([2.0, 0, 0])).max())
    assert cascade(edge)[0].predict(["edge"]).tolist() == [[2, 0, 0]]
    assert cascade(np.nextafter(edge, 1))[0].predict(["edge"]).tolist() == [[0, 8, 0]]


def test_a_batch_is_answered_as_each_text_alone(cascade):
    engine, _, second = cascade(0.9)
    together = engine.predict(["unsure", "sure", "edge", "sure"])
    assert together.tolist() == [engine.predict([text])[0].tolist() for text in ("unsure", "sure", "edge", "sure")]
    second.asked.clear()
    engine.predict(["sure"])
    assert second.asked == []


def test_only_a_text_that_may_be_too_long_is_encoded_for_the_second_model_too(cascade, monkeypatch):
    engine, _, second = cascade(0.9)
    encoded = []
    monkeypatch.setattr(second, "encode", lambda texts: encoded.extend(texts) or list(texts))
    monkeypatch.setattr(Given, "truncated", lambda self, texts, _: [self is second and len(t) > 60 for t in texts])
    texts = ["wake me", "näher", "long " * 20]
    assert engine.truncated(texts, engine.encode(texts)) == [False, False, True]
    assert encoded == ["näher", "long " * 20]  # letters beyond ASCII may be several tokens each


def test_models_of_other_labels_are_refused(cascade):
    with pytest.raises(ArtifactError, match="different labels"):
        cascade(0.9, first_labels=("music", "oos", "weather"))


def test_an_altered_part_is_refused(cascade, tmp_path):
    cascade(0.9)
    (tmp_path / "both" / "first" / "config.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"first/config\.json was altered"):
        Artifact.open(tmp_path / "both")


@pytest.mark.parametrize("text", ["{}", "not json", '{"packlight_cascade": {"threshold": "high"}}'])
def test_a_switch_that_is_not_there_is_said(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ArtifactError, match="needs packlight_cascade"):
        read_threshold(tmp_path / "config.json")
