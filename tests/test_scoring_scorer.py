"""The scorer: Arrow batches with labels, the same ones as the predictor's."""

import pickle
import warnings

import pyarrow as pa
import pytest

from packlight.errors import DataError
from packlight.runtime.predictor import Predictor
from packlight.scoring.scorer import BatchDependenceWarning, Scorer
from packlight.scoring.settings import READ_ERROR, ScorerSettings

pytest_plugins = ["tiny_run", "frontier_run"]
KINDS = {
    "torch": ("tiny_run", "teacher"),
    "torch, dynamic int8": ("tiny_run", "student-torch-int8"),
    "ONNX": ("tiny_run", "student-onnx"),
    "ONNX, dynamic int8": ("tiny_run", "student-onnx-int8"),
    "ONNX, static int8": ("tiny_run", "student-onnx-static"),
    "ONNX that abstains": ("narrow_run", "sure-onnx"),
    "static": ("frontier_run", "static-calibrated"),
    "cascade": ("frontier_run", "both"),
}


@pytest.fixture
def folder(request):
    """Kind -> an artifact's folder."""
    return lambda kind: request.getfixturevalue(KINDS[kind][0]) / "variants" / KINDS[kind][1]


@pytest.fixture
def static(frontier_run):
    return frontier_run / "variants" / "static-calibrated"


def opened(folder, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BatchDependenceWarning)
        return Scorer(folder, ScorerSettings(**{"text_column": "text"} | settings))


def batch_of(texts, **others):
    return pa.record_batch({"text": pa.array(texts, pa.string()), **others})


def texts_like(tiny):
    texts = tiny.toy_texts()[0]
    longer = [f"{one} and {other}" for one, other in zip(texts[:40], texts[40:80], strict=True)]
    return [*texts, *longer, "", "ἀρχή 🎵 \u202e\x00", "play " * 500, texts[0], *texts[:20]]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_predictors(folder, tiny, kind):
    texts = texts_like(tiny)
    expected = Predictor.open(folder(kind), threads=1).predict(texts, top_k=3)
    scorer = opened(folder(kind), top_k=3)
    rows = scorer(batch_of(texts)).to_pylist()
    assert [row["label"] for row in rows] == [each.label for each in expected]
    assert [row["out_of_scope"] for row in rows] == [each.out_of_scope for each in expected]
    assert [[top["label"] for top in row["top"]] for row in rows] == [
        [top.label for top in each.top] for each in expected
    ]
    for row, each in zip(rows, expected, strict=True):
        assert row["score"] == pytest.approx(each.score, abs=1e-5)
        assert row["top"][0] == {"label": row["label"], "score": row["score"]}
        assert row["error"] is None
    assert scorer.counts.truncated == sum(each.truncated for each in expected) >= 1
    assert scorer.counts.out_of_scope == sum(each.out_of_scope for each in expected)
    assert sum(scorer.counts.labels.values()) == scorer.counts.rows == len(texts)


@pytest.mark.parametrize("kind", ["torch, dynamic int8", "ONNX, dynamic int8"])
def test_batch_dependent_artifacts_run_one_text_at_a_time_and_say_so(folder, tiny, kind):
    with pytest.warns(BatchDependenceWarning, match="so texts run one at a time"):
        scorer = Scorer(folder(kind), ScorerSettings(text_column="text"))
    sizes = []
    logits = scorer._engine.logits
    scorer._engine.logits = lambda encoded: sizes.append(len(encoded)) or logits(encoded)
    texts = tiny.toy_texts()[0]
    alone = [opened(folder(kind))(batch_of([text])).to_pylist()[0]["score"] for text in texts[:5]]
    assert [row["score"] for row in scorer(batch_of(texts)).to_pylist()][:5] == alone
    assert set(sizes) == {1}


def test_no_batch_is_padded(folder, tiny):
    scorer = opened(folder("ONNX, static int8"))
    seen = []
    logits = scorer._engine.logits
    scorer._engine.logits = lambda encoded: seen.append({len(each) for each in encoded}) or logits(encoded)
    scorer(batch_of(texts_like(tiny)))
    assert all(len(lengths) == 1 for lengths in seen)
    assert len(seen) < len(set(texts_like(tiny))) / 2


def test_bad_rows_get_an_error_and_no_label(static):
    column = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.array([0, 4, 7, 11], pa.int32()).buffers()[1], pa.py_buffer(b"playca\xe9wake")]
    )
    scorer = opened(static, top_k=2)
    first = scorer(pa.record_batch({"text": column})).drop_columns("text").to_pylist()
    assert [row["error"] for row in first] == [None, "not UTF-8", None]
    second = scorer(
        pa.record_batch(
            {"text": pa.array([b"play", None, b"\xff"], pa.binary()), READ_ERROR: pa.array(["3 cells", None, None])}
        )
    )
    assert READ_ERROR not in second.schema.names
    assert second.column("error").to_pylist() == ["3 cells", "no text", "not UTF-8"]
    for row in [first[1], *second.to_pylist()]:
        assert [row[name] for name in ("label", "score", "out_of_scope", "top")] == [None] * 4
    assert scorer.counts.errors == {"not UTF-8": 2, "3 cells": 1, "no text": 1}
    assert (scorer.counts.rows, scorer.counts.failed) == (6, 4)
    view = pa.array([b"play", b"caf\xe9"]).view(pa.string()).cast(pa.string_view())
    assert scorer(pa.record_batch({"text": view})).column("error").to_pylist() == [None, "not UTF-8"]
    with pytest.raises(DataError, match="column 'text' is int64, not text"):
        scorer(pa.record_batch({"text": [1]}))


def test_logits_that_are_not_finite_fail_their_row_alone(static):
    scorer = opened(static)
    logits = scorer._engine.logits

    def broken(encoded):
        found = logits(encoded)
        found[1, 0] = float("nan")
        return found

    scorer._engine.logits = broken
    rows = scorer(batch_of(["play jazz", "wake me", "sing"])).to_pylist()
    assert [row["error"] for row in rows] == [None, "the model's logits are not finite", None]
    assert [row["label"] is None for row in rows] == [False, True, False]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_type_of_text_column_is_read(static, kind):
    texts = pa.array(["play jazz", "wake me", "play jazz"])
    column = texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts.cast(kind)
    rows = opened(static)(pa.record_batch({"text": column})).to_pylist()
    assert [row["label"] for row in rows] == [row["label"] for row in opened(static)(batch_of(texts)).to_pylist()]


def test_equal_texts_are_scored_once(static):
    scorer = opened(static)
    scorer(batch_of(["play jazz", "wake me", "play jazz"]))
    scorer(batch_of(["wake me", "sing", None]))
    assert scorer.counts.inferences == 3
    assert scorer.counts.cache_hit_rate == pytest.approx(2 / 5)
    scorer.reset()
    scorer(batch_of(["wake me"]))
    assert (scorer.counts.rows, scorer.counts.inferences) == (1, 1)


def test_the_cache_is_bounded_and_the_text_that_waited_longest_makes_room(static):
    scorer = opened(static, cache_texts=2)
    for text, known in (("a", False), ("b", False), ("a", True), ("c", False), ("a", True), ("b", False)):
        before = scorer.counts.inferences
        scorer(batch_of([text]))
        assert (scorer.counts.inferences == before) is known, text
    long = "play " * 300
    scorer(batch_of([long]))
    assert long not in scorer._answers
    without = opened(static, cache_texts=0)
    without(batch_of(["a", "a"]))
    without(batch_of(["a"]))
    assert without.counts.inferences == 2


def test_columns_are_kept_named_and_refused(static):
    batch = batch_of(["play"], id=[7], label=["gold"])
    with pytest.raises(DataError, match=r"the input has a column 'label', and so has the output; name .* --prefix"):
        opened(static)(batch)
    assert opened(static, keep=("id",))(batch).schema.names == ["id", "label", "score", "out_of_scope", "error"]
    named = opened(static, prefix="predicted_", top_k=2)(batch)
    new = ["predicted_label", "predicted_score", "predicted_out_of_scope", "predicted_top", "predicted_error"]
    assert named.schema.names == ["text", "id", "label", *new]
    assert named.column("label").to_pylist() == ["gold"]
    with pytest.raises(DataError, match=r"no column 'words': the columns are 'text', 'id', 'label'"):
        opened(static, text_column="words", keep=())(batch)


def test_pickled_it_is_its_path_and_opens_it_again(static):
    scorer = opened(static, top_k=2)
    data = pickle.dumps(scorer)
    assert len(data) < 1000
    assert pickle.loads(data)(batch_of(["play"])).equals(scorer(batch_of(["play"])))
