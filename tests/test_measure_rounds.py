"""Interleaved rounds with processes that only pretend: what is asked of whom, in which order, and what is kept."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from packlight.data import dataset_from_rows
from packlight.errors import MeasurementError, ModelError
from packlight.measure import predicting, rounds
from packlight.measure.journal import journal_name
from packlight.measure.results import ThreadSamples, ThreadTimes
from packlight.measure.rounds import LOOK, BenchmarkConfig, run_benchmark
from packlight.measure.sampling import BATCH
from packlight.measure.timing import resample, target_figures
from packlight.measure.worker import Reply
from packlight.measure.worker_process import BenchmarkTarget

LABELS = ("alarm", "music", "oos")
EFFORT = BenchmarkConfig(rounds=3, most_rounds=3, texts=4)


def subject(variant, *, engine="torch", batch_invariant=True):
    return BenchmarkTarget(variant, Path(variant), engine, batch_invariant, "oos")


SUBJECTS = [subject("a"), subject("b", engine="onnxruntime", batch_invariant=False), subject("c", engine="pipeline")]


@pytest.fixture
def data():
    train = [(f"{label} {number}", label) for label in LABELS for number in range(4)]
    test = [(f"test {label} {number}", label) for label in LABELS for number in range(20)]
    return dataset_from_rows(train, [(f"val {label}", label) for label in LABELS], test)


class Told:
    """What the pretending processes were asked, and when one of them dies."""

    def __init__(self):
        self.turns = []
        self.asked = []
        self.opened = []
        self.texts = []
        self.labels = LABELS
        self.dies_at = None
        self.milliseconds = None
        self.look = {}
        self.warm = {}

    def looked(self, variant, texts):
        """Slow enough that no variant times more texts than another, unless the test says otherwise."""
        return [self.look.get(variant, 50.0)] * len(texts), [1.0] * len(texts)

    def turn(self, variant, texts, warm):
        if self.dies_at == len(self.turns):
            raise KeyboardInterrupt
        self.warm[variant] = warm
        self.turns.append(variant)
        self.texts.append(texts)
        given = self.milliseconds
        times = given(variant, len(texts)) if given else [float(len(self.turns))] * len(texts)
        return times, [each / 2 for each in times]


@pytest.fixture
def told(monkeypatch):
    told = Told()

    class Pretended:
        def __init__(self, subject, threads):
            self.subject, self.labels = subject, told.labels
            told.opened.append((subject.variant, threads))
            self.seen = False

        def __enter__(self):
            return self

        def __exit__(self, *_):
            told.opened.append(("closed", self.subject.variant))

        def latency(self, texts, *, warm):
            looks, self.seen = not self.seen and warm == LOOK, True
            return told.looked(self.subject.variant, texts) if looks else told.turn(self.subject.variant, texts, warm)

        def throughput(self, texts):
            assert len(texts) == BATCH
            return 10.0

        def predict(self, texts, *, batch):
            told.asked.append((self.subject.variant, batch))
            # In a batch, the first text is answered otherwise.
            names = [label.lower() for label in told.labels]
            places = [names.index(text.split()[1]) for text in texts]
            if batch > 1 and not self.subject.batch_invariant:
                places[0] = (places[0] + 1) % len(told.labels)
            ones = [1.0] * len(texts)
            return Reply(predictions=places, confidences=ones, scope_scores=ones)

        def peak_memory_mb(self):
            return 42.0

    told.process = Pretended
    monkeypatch.setattr(rounds, "Process", Pretended)
    monkeypatch.setattr(rounds, "PAUSE", 0)
    return told


def measure(journal, data, **other):
    settings = {"threads": 1, "effort": EFFORT, "seed": 0, "scored": ["a", "b"]} | other
    return run_benchmark(SUBJECTS, data, journal=journal, **settings)


def test_every_variant_takes_its_turn_in_every_round_in_changing_order(tmp_path, data, told):
    raws = measure(tmp_path / "journal", data)
    taken = [told.turns[start : start + 3] for start in range(0, 9, 3)]
    assert [sorted(each) for each in taken] == [["a", "b", "c"]] * 3
    assert len({tuple(each) for each in taken}) > 1
    assert [raw.variant for raw in raws] == ["a", "b", "c"]
    for place, raw in enumerate("abc"):
        expected = [[float(3 * number + order.index(raw) + 1)] * 4 for number, order in enumerate(taken)]
        assert raws[place].latency_ms == expected


def test_all_rounds_ask_the_same_texts_of_all(tmp_path, data, told):
    measure(tmp_path / "journal", data)
    assert all(texts == told.texts[0] for texts in told.texts)
    assert len(told.texts[0]) == EFFORT.texts
    assert set(told.texts[0]) <= set(data.test.texts)


def test_all_threads_are_tried_after_the_rounds_if_there_are_several(tmp_path, data, told, monkeypatch):
    asked = []

    def trial(process, texts, threads, *, milliseconds, seconds, seed):
        asked.append((process.subject.variant, threads, texts[: EFFORT.texts], seconds, seed))
        assert milliseconds > 0
        times = ThreadTimes(latency_ms=[[2.0]] * 4, cpu_ms=[[2.0]] * 4, batch_ms=[40.0] * 4)
        return ThreadSamples(threads=threads, one=times, all=times)

    monkeypatch.setattr(rounds, "try_threads", trial)
    raws = measure(tmp_path / "journal", data, tried=["a", "b"], all_threads=4)
    assert asked == [("a", 4, told.texts[0], 1.0, 0), ("b", 4, told.texts[0], 1.0, 0)]
    assert [raw.threads and raw.threads.threads for raw in raws] == [4, 4, None]
    assert measure(tmp_path / "journal", data, tried=["a", "b"], all_threads=4) == raws
    measure(tmp_path / "of one processor", data, tried=["a"], all_threads=1)
    measure(tmp_path / "on stated threads", data, tried=["a"], all_threads=4, threads=2)
    assert len(asked) == 2, "neither a second time nor where there is no choice"


def test_a_kill_before_the_trial_of_threads_repeats_nothing_but_the_trial(tmp_path, data, told, monkeypatch):
    def dies(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(rounds, "try_threads", dies)
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path / "journal", data, tried=["a"], all_threads=4)
    told.asked.clear()
    told.turns.clear()
    times = ThreadTimes(latency_ms=[[2.0]] * 4, cpu_ms=[[2.0]] * 4, batch_ms=[40.0] * 4)
    monkeypatch.setattr(rounds, "try_threads", lambda *_, **__: ThreadSamples(threads=4, one=times, all=times))
    a, *_ = measure(tmp_path / "journal", data, tried=["a"], all_threads=4)
    assert a.threads.threads == 4
    assert a.predictions == list(data.ids(data.test))
    assert (told.asked, told.turns) == ([], [])


@pytest.mark.parametrize(("processors", "threads", "together"), [(1, 1, 1), (2, 1, 2), (4, 2, 2), (8, 1, 2)])
def test_as_many_variants_predict_at_once_as_there_are_processors(
    tmp_path, data, told, monkeypatch, processors, threads, together
):
    meeting = threading.Barrier(together)
    tallest = []
    inside = []
    predict = told.process.predict

    def met(process, texts, *, batch):
        inside.append(process.subject.variant)
        tallest.append(len(set(inside)))
        if batch == BATCH and texts[0].startswith("val"):
            meeting.wait(timeout=30)  # broken, and an error, if fewer get here at once
        answer = predict(process, texts, batch=batch)
        inside.remove(process.subject.variant)
        return answer

    monkeypatch.setattr(told.process, "predict", met)
    measure(tmp_path / "journal", data, all_threads=processors, threads=threads)
    assert max(tallest) == together


def test_a_process_that_ends_stops_the_others_within_a_chunk(tmp_path, data, told, monkeypatch):
    predict = told.process.predict
    slow = threading.Event()

    def ends(process, texts, *, batch):
        if process.subject.variant == "b":
            raise MeasurementError("b: the measured process was killed")
        slow.wait(timeout=0.5)
        return predict(process, texts, batch=batch)

    monkeypatch.setattr(told.process, "predict", ends)
    monkeypatch.setattr(predicting, "CHUNK", 1)
    with pytest.raises(MeasurementError, match="b: the measured process"):
        measure(tmp_path / "journal", data, all_threads=2)
    assert len([variant for variant, _ in told.asked if variant == "a"]) < len(data.test), "a goes on for a text or two"
    slow.set()
    monkeypatch.setattr(told.process, "predict", predict)
    told.asked.clear()
    told.turns.clear()
    a, b, _ = measure(tmp_path / "journal", data, all_threads=2)
    assert a.predictions == b.predictions == list(data.ids(data.test))
    assert told.turns == []


def test_the_same_seed_gives_the_same_order(tmp_path, data, told):
    measure(tmp_path / "one", data)
    measure(tmp_path / "two", data)
    assert told.turns[:9] == told.turns[9:]
    measure(tmp_path / "three", data, seed=1)
    assert told.texts[0] != told.texts[-1]


def test_judged_variants_answer_all_of_val_and_test_and_others_are_only_timed(tmp_path, data, told):
    a, b, c = measure(tmp_path / "journal", data)
    assert a.predictions == list(data.ids(data.test))
    assert a.batch_flips is None
    assert b.predictions == a.predictions, "those of batch 1 count"
    assert b.batch_flips == 1
    assert a.val_predictions == b.val_predictions == list(data.ids(data.val))
    assert (a.val_batch_flips, b.val_batch_flips) == (None, 1)
    assert (c.predictions, c.val_predictions) == (None, None)
    assert {raw.peak_memory_mb for raw in (a, b, c)} == {42.0}
    assert set(told.asked) == {("a", BATCH), ("b", 1), ("b", BATCH)}


def test_a_choice_reads_val_alone(tmp_path, data, told):
    a, *_ = measure(tmp_path / "journal", data, splits=("val",))
    assert a.val_predictions == list(data.ids(data.val))
    assert (a.predictions, a.confidences, a.batch_flips) == (None, None, None)
    assert {text for texts in told.texts for text in texts} <= set(data.val.texts)


def test_answers_are_mapped_by_the_labels_names(tmp_path, data, told):
    told.labels = ("Music", "OOS", "extra", "alarm")
    (a, *_) = measure(tmp_path / "journal", data)
    assert a.predictions == list(data.ids(data.test))


def test_a_variant_that_lacks_a_label_is_refused_before_any_turn(tmp_path, data, told):
    told.labels = ("alarm", "music")
    with pytest.raises(ModelError, match=r"lacks 1 of the data's 3 labels \(oos\)"):
        measure(tmp_path / "journal", data)
    assert told.turns == []
    assert ("closed", "a") in told.opened


def test_a_finished_journal_opens_no_process(tmp_path, data, told):
    first = measure(tmp_path / "journal", data)
    told.opened.clear()
    assert measure(tmp_path / "journal", data) == first
    assert told.opened == []


@pytest.mark.parametrize("dies_at", range(9))
def test_an_interrupted_measurement_goes_on_with_whole_rounds(tmp_path, data, told, dies_at):
    told.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path / "journal", data)
    told.dies_at = None
    raws = measure(tmp_path / "journal", data)
    assert len(told.turns) == dies_at + 9 - 3 * (dies_at // 3)
    check_rounds_are_whole(raws)


def test_a_round_that_is_interrupted_twice_is_not_put_together_from_pieces(tmp_path, data, told):
    for further in (5, 1, 2, 1):
        told.dies_at = len(told.turns) + further
        with pytest.raises(KeyboardInterrupt):
            measure(tmp_path / "journal", data)
    told.dies_at = None
    raws = measure(tmp_path / "journal", data)
    check_rounds_are_whole(raws)
    assert measure(tmp_path / "journal", data) == raws, "the journal says the same when it is read again"


def check_rounds_are_whole(raws):
    for number in range(EFFORT.rounds):
        moments = sorted(raw.latency_ms[number][0] for raw in raws)
        assert moments[-1] - moments[0] == 2, "the three turns of a round lie side by side"


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_a_line_that_a_kill_cut_short_does_not_count(tmp_path, data, told, cut):
    journal = tmp_path / "journal"
    whole = measure(journal, data)
    content = journal.read_bytes()
    journal.write_bytes(content[:-cut])
    told.turns.clear()
    again = measure(journal, data)
    assert told.turns == [], "only the answers of the last variant were lost"
    assert again == whole
    assert all(json.loads(line) for line in journal.read_bytes().splitlines()[-1:])


def test_journals_of_other_settings_have_other_names():
    assert journal_name(["a", "bc"]) != journal_name(["ab", "c"])
    assert journal_name(["a"]) == journal_name(["a"])


@pytest.mark.usefixtures("told")
def test_a_small_test_split_is_asked_more_than_once(tmp_path):
    train = [(f"{label} {number}", label) for label in LABELS for number in range(4)]
    test = [(f"test {label}", label) for label in LABELS]
    small = dataset_from_rows(train, [(f"val {label}", label) for label in LABELS], test)
    (a, *_) = measure(tmp_path / "journal", small, effort=BenchmarkConfig(rounds=2, texts=50, seconds=0))
    assert [len(samples) for samples in a.latency_ms] == [50, 50]


class Clock:
    """A turn takes two seconds: one is slept, one passes until the clock is read again."""

    def __init__(self):
        self.now = 0.0

    def sleep(self, _):
        self.now += 1

    def perf_counter(self):
        self.now += 0.5
        return self.now


def shaken(chance):
    """Every turn of every variant differs from its last by a third."""
    return lambda _, count: [float(np.exp(chance.normal(0, 0.3)))] * count


def test_steady_rounds_end_after_the_least_that_is_asked(tmp_path, data, told):
    told.milliseconds = lambda variant, count: [1.0 + "abc".index(variant)] * count
    raws = measure(tmp_path / "journal", data, effort=BenchmarkConfig(rounds=3, texts=4))
    assert {len(raw.latency_ms) for raw in raws} == {3}


def test_shaken_rounds_go_on_until_the_ratios_are_known(tmp_path, data, told):
    told.milliseconds = shaken(np.random.default_rng(0))
    effort = BenchmarkConfig(rounds=3, most_rounds=12, texts=4)
    raws = measure(tmp_path / "journal", data, effort=effort)
    assert {len(raw.latency_ms) for raw in raws} == {12}
    calming = np.random.default_rng(0)
    told.milliseconds = lambda _, count: [float(np.exp(calming.normal(0, 0.03)))] * count
    raws = measure(tmp_path / "other", data, effort=BenchmarkConfig(rounds=3, most_rounds=100, texts=4))
    count = len(raws[0].latency_ms)
    assert 3 < count < 100
    drawn = [{raw.variant: resample(raw.latency_ms[:taken], seed=0) for raw in raws} for taken in (count, count - 1)]
    stable = [all(each.stable for each in target_figures(each, "a").values()) for each in drawn]
    assert stable == [True, False]


def test_texts_that_differ_do_not_prolong_the_measuring(tmp_path, data, told):
    told.milliseconds = lambda variant, count: [1.0] * count if variant != "b" else [0.1] * (count - 1) + [2.0]
    raws = measure(tmp_path / "journal", data, effort=BenchmarkConfig(rounds=3, texts=10))
    assert {len(raw.latency_ms) for raw in raws} == {3}


def test_no_round_begins_that_would_end_after_the_time(tmp_path, data, told, monkeypatch):
    told.milliseconds = shaken(np.random.default_rng(0))
    monkeypatch.setattr(rounds, "time", Clock())
    effort = BenchmarkConfig(rounds=2, texts=4, seconds=24)
    raws = measure(tmp_path / "journal", data, effort=effort)
    spent = [json.loads(line).get("seconds") for line in (tmp_path / "journal").read_bytes().splitlines() if line]
    each = 3 * next(filter(None, spent))
    assert {len(raw.latency_ms) for raw in raws} == {int(24 // each)}
    told.turns.clear()
    assert measure(tmp_path / "journal", data, effort=effort) == raws
    assert told.turns == [], "what was spent before a restart counts"


def test_the_time_is_kept_even_if_fewer_rounds_fit_than_usual_but_three_are_measured(
    tmp_path, data, told, monkeypatch, capsys
):
    monkeypatch.setattr(rounds, "time", Clock())
    told.milliseconds = lambda _, count: [1.0] * count
    for seconds, count in ((20, 4), (1, 3)):
        raws = measure(tmp_path / str(seconds), data, effort=BenchmarkConfig(rounds=5, texts=4, seconds=seconds))
        assert {len(raw.latency_ms) for raw in raws} == {count}
    assert "took 14 s instead of 1: 3 rounds are the minimum" in capsys.readouterr().err


@pytest.mark.parametrize("dies_at", [4, 7, 10])
def test_an_interrupted_measurement_has_the_same_time_in_all(tmp_path, data, told, monkeypatch, dies_at):
    told.milliseconds = shaken(np.random.default_rng(0))
    monkeypatch.setattr(rounds, "time", Clock())
    effort = BenchmarkConfig(rounds=2, texts=4, seconds=24)
    whole = measure(tmp_path / "whole", data, effort=effort)
    told.turns.clear()
    told.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path / "journal", data, effort=effort)
    told.dies_at = None
    raws = measure(tmp_path / "journal", data, effort=effort)
    assert [len(raw.latency_ms) for raw in raws] == [len(raw.latency_ms) for raw in whole]


def test_the_rounds_to_expect_are_those_that_fit_but_three_in_any_case():
    effort = BenchmarkConfig(rounds=5, seconds=60)
    assert [effort.rounds_of(seconds) for seconds in (0, 1, 12, 15, 30, 600)] == [5, 5, 5, 4, 3, 3]
    assert BenchmarkConfig(rounds=2, seconds=1).rounds_of(9) == 2


def test_every_time_says_which_text_it_is_of(tmp_path, data, told):
    raws = measure(tmp_path / "journal", data)
    assert all([data.test.texts[place] for place in raw.timed] == told.texts[0] for raw in raws)
    assert all(np.shape(raw.latency_ms) == np.shape(raw.cpu_ms) == (3, 4) for raw in raws)


MANY = BenchmarkConfig(rounds=2, texts=20, seconds=0)


def test_a_round_goes_in_blocks_and_a_fast_variant_times_more_texts(tmp_path, data, told):
    told.look = {"a": 50.0, "b": 12.0, "c": 0.1}
    a, b, c = measure(tmp_path / "journal", data, effort=MANY)
    assert a.blocks == b.blocks == c.blocks == 4, "five texts of 50 ms are a quarter of a second"
    assert [len(raw.timed) for raw in (a, b, c)] == [20, 20, 60], "of 60 texts in all"
    assert [sorted(told.turns[start : start + 3]) for start in range(0, 24, 3)] == [["a", "b", "c"]] * 8
    assert [len(texts) for texts in told.texts[:3]] == [{"a": 5, "b": 5, "c": 15}[each] for each in told.turns[:3]]
    for raw in (a, b, c):
        own = [texts for variant, texts in zip(told.turns, told.texts, strict=True) if variant == raw.variant]
        asked = [data.test.texts[place] for place in raw.timed]
        assert [text for texts in own for text in texts] == 2 * asked
        assert np.shape(raw.latency_ms) == (2, len(raw.timed))
        assert len(raw.throughput) == 2, "once in a round"
    assert c.timed[:20] == a.timed
    assert told.warm == {"a": 1, "b": 1, "c": 5}


def test_a_killed_measurement_keeps_its_pace(tmp_path, data, told):
    told.look = {"c": 0.1}
    told.dies_at = 5
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path / "journal", data, effort=MANY)
    told.dies_at, told.look = None, {"a": 200.0}
    *_, c = measure(tmp_path / "journal", data, effort=MANY)
    assert len(c.timed) == 60
    assert c.blocks == 4
