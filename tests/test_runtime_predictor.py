import copy
import ctypes
import json
import os
import pickle
import shutil
import subprocess
import sys
from importlib import import_module

import msgspec
import numpy as np
import pytest

from packlight.errors import ArtifactError, DataError, PacklightError
from packlight.runtime import predictor as opening
from packlight.runtime import processor
from packlight.runtime.artifact import BetterThreads, finalize, read_manifest, write_manifest
from packlight.runtime.decision import probabilities
from packlight.runtime.engine import Engine
from packlight.runtime.predictor import BATCH, Prediction, Predictor

pytest_plugins = ["command", "tiny_run"]
TEXTS = ["wake me at seven", "play the song queen", "will it rain in oslo", "why is the blue whale", "zzz"]
ALL = ("teacher", "student-torch-int8", "teacher-onnx", "student-onnx-int8", "student-onnx-static")


@pytest.mark.parametrize("variant", ALL)
def test_texts_become_labels_with_probabilities(tiny_run, variant):
    predictor = Predictor.open(tiny_run / "variants" / variant, threads=1)
    answers = predictor.predict(TEXTS, top_k=3)
    assert [answer.text for answer in answers] == TEXTS
    for answer in answers:
        assert (answer.label, answer.score) == (answer.top[0].label, answer.top[0].score)
        scores = [each.score for each in answer.top]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
        assert 0 < sum(scores) <= 1 + 1e-6
        assert answer.label in predictor.engine.labels
        assert answer.out_of_scope == (answer.label == "oos")


def test_it_answers_as_the_engine_does(tiny_run):
    predictor = Predictor.open(tiny_run / "variants" / "teacher-onnx", threads=1)
    logits = predictor.engine.predict(TEXTS)
    expected = probabilities(logits)
    for answer, row in zip(predictor.predict(TEXTS, top_k=len(predictor.engine.labels)), expected, strict=True):
        assert {each.label: each.score for each in answer.top} == pytest.approx(
            dict(zip(predictor.engine.labels, map(float, row), strict=True)), abs=1e-5
        )
        assert sum(each.score for each in answer.top) == pytest.approx(1)


def test_one_text_is_one_answer(tiny_run):
    predictor = Predictor.open(str(tiny_run / "variants" / "teacher-onnx"))
    answer = predictor(TEXTS[0])
    assert isinstance(answer, Prediction)
    (alone,) = predictor.predict(TEXTS[:1])
    assert answer == alone
    assert answer.label == predictor.predict(TEXTS)[0].label
    assert answer.score == pytest.approx(predictor.predict(TEXTS)[0].score, abs=1e-5)
    assert len(answer.top) == 1


def test_a_text_that_was_cut_is_marked(tiny_run):
    predictor = Predictor.open(tiny_run / "variants" / "student-onnx-static", threads=1)
    cut = predictor.predict([TEXTS[0], "play the song queen " * 20, TEXTS[1]])
    assert [each.truncated for each in cut] == [False, True, False]


class Counting(Engine):
    """An engine that says how large its batches were."""

    labels, threads = ("a", "oos"), 1

    def __init__(self):
        self.batches = []

    def encode(self, texts):
        return texts

    def logits(self, texts):
        self.batches.append(len(texts))
        return np.array([[0.0, 1.0]] * len(texts), dtype=np.float32)


@pytest.mark.parametrize(
    ("variant", "sizes"),
    [("teacher-onnx", [BATCH, 8]), ("student-onnx-static", [BATCH, 8]), ("student-onnx-int8", [1] * 40)],
)
def test_batches_are_used_only_where_they_cannot_change_an_answer(tiny_run, variant, sizes):
    engine = Counting()
    predictor = Predictor(Predictor.open(tiny_run / "variants" / variant).artifact, engine)
    answers = predictor.predict([f"text {number}" for number in range(40)])
    assert engine.batches == sizes
    assert all(answer.out_of_scope for answer in answers)


def test_no_texts_are_no_answers(tiny_run):
    assert Predictor.open(tiny_run / "variants" / "teacher-onnx").predict([]) == []


class Late:
    """A value of a library that is imported when the test runs: collecting tests need not wait for it."""

    def __init__(self, library, kind, *content, **options):
        self.library, self._kind, self._content, self._options = library, kind, content, options

    def __call__(self):
        return getattr(import_module(self.library), self._kind)(*self._content, **self._options)


@pytest.fixture(scope="module")
def predictor(tiny_run):
    return Predictor.open(tiny_run / "variants" / "student-onnx-static", threads=1)


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS,
        tuple(TEXTS),
        iter(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        Late("pandas", "Series", TEXTS, index=[7, 3, 7, 1, 0]),
        Late("polars", "Series", TEXTS),
        dict.fromkeys(TEXTS).keys(),
    ],
    ids=lambda each: getattr(each, "library", type(each).__name__),
)
def test_any_iterable_of_strings_is_texts(predictor, texts):
    texts = texts() if isinstance(texts, Late) else texts
    assert predictor.predict(texts) == predictor.predict(TEXTS)


def test_one_string_is_one_text(predictor):
    assert predictor.predict("wake me at seven") == predictor.predict(["wake me at seven"])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            Late("pandas", "DataFrame", {"text": TEXTS, "intent": TEXTS}),
            "DataFrame with the columns 'text', 'intent': .*frame\\['text'\\]",
        ),
        (Late("polars", "DataFrame", {"query": TEXTS}), "DataFrame with the columns 'query'"),
        (Late("pandas", "DataFrame"), "a DataFrame"),
        (["a", None], "text 1 is None, not a string"),
        (["a", float("nan")], "text 1 is the float nan"),
        (["a", ("b", "c")], r"text 1 is the tuple \('b', 'c'\), not a string: pairs of texts"),
        ([["a", "b"]], "text 0 is the list"),
        ([b"a"], "text 0 is the bytes b'a'"),
        (b"abc", "got the bytes b'abc'"),
        ({"text": "a"}, "got the dict"),
        (None, "got None"),
        (7, "got the int 7"),
        (np.zeros((2, 2)), "text 0 is the ndarray"),
        (["a", "b\ud800"], r"text 1 has '\\ud800' at character 1"),
        ("\udcff", r"the text has '\\udcff' at character 0"),
        ([1 << 2000], "…"),
    ],
    ids=lambda each: None if isinstance(each, str) else type(each).__name__,
)
def test_what_is_no_text_is_named(predictor, texts, message):
    texts = texts() if isinstance(texts, Late) else texts
    with pytest.raises(DataError, match=message):
        predictor.predict(texts)


def test_one_text_must_be_a_string(predictor):
    with pytest.raises(DataError, match="text 0 is None"):
        predictor(None)


@pytest.mark.parametrize("threads", [0, -1, 10_000, 2.0, True, "2"])
@pytest.mark.parametrize("variant", ALL)
def test_threads_have_bounds(tiny_run, variant, threads):
    with pytest.raises(PacklightError, match=rf"threads={threads!r}: give a whole number from 1 to \d+"):
        Predictor.open(tiny_run / "variants" / variant, threads=threads)


@pytest.mark.parametrize(
    ("known", "requests", "batches"),
    [
        (None, 3, 3),
        (BetterThreads(requests=1, batches=3), 1, 3),
        (BetterThreads(requests=3, batches=1), 3, 1),
        (BetterThreads(requests=None, batches=1), 3, 1),
        (BetterThreads(requests=64, batches=2), 3, 2),
    ],
)
def test_the_threads_are_those_that_were_better_when_it_was_measured(
    tiny_run, tmp_path, monkeypatch, known, requests, batches
):
    folder = tmp_path / "measured"
    shutil.copytree(tiny_run / "variants" / "student-onnx-static", folder)
    write_manifest(folder, msgspec.structs.replace(read_manifest(folder), threads=known))
    for module in (processor, opening):
        monkeypatch.setattr(module, "cpu_budget", lambda: 3)
    assert Predictor.open(folder).engine.threads == requests
    predictor = Predictor.open(folder, batches=True)
    assert predictor.engine.threads == pickle.loads(pickle.dumps(predictor)).engine.threads == batches
    assert Predictor.open(folder, threads=2).engine.threads == 2


def test_a_predictor_is_pickled_by_its_path(predictor):
    pickled = pickle.dumps(predictor)
    assert len(pickled) < 1000
    again = pickle.loads(pickled)
    assert again.engine.threads == 1
    assert again.predict(TEXTS) == predictor.predict(TEXTS)
    assert copy.deepcopy(predictor).predict(TEXTS) == predictor.predict(TEXTS)
    with pytest.raises(TypeError, match="pass the artifact's path"):
        pickle.dumps(Predictor(predictor.artifact, predictor.engine))


FORKS = """
import os, sys
{before}
from packlight import Predictor
predictor = Predictor.open(sys.argv[1], threads={threads})
texts = ["wake me at seven"] * 32
expected = [each.label for each in predictor.predict(texts)]
child = os.fork()
if not child:
    found = [each.label for each in predictor.predict(texts)] if {uses} else expected
    print("same" if found == expected else "other")
    sys.exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "on_exit"), reason="needs glibc, which the work-around does too")
@pytest.mark.parametrize("before", ["", "import onnxruntime"])
@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("uses", [True, False])
def test_a_forked_child_predicts_and_ends_by_itself(tiny_run, before, threads, uses):
    code = FORKS.format(before=before, threads=threads, uses=uses)
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", code, str(tiny_run / "variants" / "student-onnx-static")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    assert ended.stdout.split() == ["same", "3"]


def test_a_folder_that_is_no_artifact_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="not an artifact"):
        Predictor.open(tmp_path)


def test_softmax_survives_large_logits():
    assert probabilities(np.array([1000.0, 1000.0], dtype=np.float32)) == pytest.approx([0.5, 0.5])


def test_the_sigmoid_of_large_logits_is_a_probability_and_no_warning():
    logits = np.array([-1000.0, -3.0, 0.0, 3.0, 1000.0], dtype=np.float32)
    with np.errstate(all="raise", under="ignore"):
        found = probabilities(logits, "sigmoid")
    assert found.dtype == np.float32
    assert found == pytest.approx([0, 1 / (1 + np.exp(3)), 0.5, 1 / (1 + np.exp(-3)), 1])


def test_an_onnx_artifact_is_answered_without_torch(tiny_run):
    code = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'transformers', 'onnx', 'safetensors', 'accelerate'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "from packlight import Predictor\n"
        f"print(Predictor.open({str(tiny_run / 'variants' / 'student-onnx-static')!r})('wake me at seven').label)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() in ("alarm", "music", "oos", "weather")


def with_problem_type(source, target, kind):
    """A copy of an artifact whose configuration says what kind of problem it solves."""
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | {"problem_type": kind}))
    finalize(target, read_manifest(target))
    return target


def test_where_several_labels_may_hold_no_threshold_is_chosen(tiny, tiny_run, tmp_path, packlight):
    rows = "".join(f'"{text}",{label}\n' for text, label in zip(*tiny.toy_texts(), strict=True))
    (tmp_path / "toys.csv").write_text(f"text,label\n{rows}")
    multi = with_problem_type(tiny_run / "variants" / "teacher-onnx", tmp_path / "multi", "multi_label_classification")
    for words in (["calibrate", multi], ["cascade", multi, "--first", tiny_run / "variants" / "teacher-onnx"]):
        answer = packlight(*words, "--data", tmp_path / "toys.csv", "--out", tmp_path / "made")
        assert (answer.status, answer.err.count("error: ")) == (2, 1)
        assert "multi_label_classification" in answer.err


def test_where_several_labels_may_hold_each_has_its_own_probability(tiny_run, tmp_path):
    source = tiny_run / "variants" / "teacher-onnx"
    predictor = Predictor.open(with_problem_type(source, tmp_path / "multi", "multi_label_classification"), threads=1)
    (answer,) = predictor.predict(TEXTS[:1], top_k=len(predictor.engine.labels))
    logits = dict(zip(predictor.engine.labels, predictor.engine.predict(TEXTS[:1])[0], strict=True))
    assert {each.label: each.score for each in answer.top} == pytest.approx(
        {label: 1 / (1 + np.exp(-float(value))) for label, value in logits.items()}, abs=1e-6
    )
    assert answer.label == Predictor.open(source, threads=1)(TEXTS[0]).label


def test_a_model_that_does_not_classify_is_refused(tiny_run, tmp_path):
    folder = with_problem_type(tiny_run / "variants" / "teacher-onnx", tmp_path / "r", "regression")
    with pytest.raises(ArtifactError, match="problem_type is regression"):
        Predictor.open(folder)
