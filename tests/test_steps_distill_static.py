"""The static student and the engine that answers for it."""

import json

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file, save_file

from packlight.errors import ArtifactError, RecipeError
from packlight.runtime.artifact import STATIC
from packlight.runtime.engines.static import (
    CONFIG_KEY,
    StaticEngine,
    packed_int4,
    read_ngrams,
    read_tensors,
    scale_head,
    unpacked,
)
from packlight.runtime.ngrams import NGrams
from packlight.steps.distill_static.apply import StaticStudent, answers, distill_static, save_static
from packlight.steps.distill_static.options import DistillStatic
from packlight.steps.step import check_options

NGRAMS = NGrams(buckets=512, words=2, characters=(3, 4), max_words=16)
OPTIONS = DistillStatic(
    name="static", buckets=512, embedding_dim=16, hidden_size=16, char_ngrams=(3, 4), max_length=16, epochs=8, batch_size=16,
    learning_rate=2e-2, dropout=0.1,
)  # fmt: skip
ODD = ["", "alarm", "🙂 größer", "will it rain in oslo " * 30, "ALARM"]


@pytest.fixture(scope="module")
def taught(tiny):
    """A student that was taught by sharp answers, and its history."""
    train_data = tiny.toy_train_data()
    teacher = 6 * torch.nn.functional.one_hot(torch.tensor(train_data.train_labels), 4).float()
    return distill_static(train_data, teacher, NGRAMS, OPTIONS, seed=1)


def write(student, folder, labels):
    folder.mkdir(exist_ok=True)
    save_static(student, folder / STATIC)
    table = {"buckets": 512, "words": 2, "characters": [3, 4], "max_words": 16}
    config = {"id2label": dict(enumerate(labels)), CONFIG_KEY: table}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def folder(taught, tiny, tmp_path):
    return write(taught[0], tmp_path / "static", tiny.LABELS)


def opened(tiny, folder):
    return StaticEngine(tiny.seal_variant(folder, engine="static", precision="int8", model_file=STATIC))


def test_it_learns_the_toy_texts(taught, tiny):
    student, history = taught
    train_data = tiny.toy_train_data()
    said = answers(student, [NGRAMS.rows(text) for text in train_data.val_texts]).argmax(1)
    accuracy = (said == np.array(train_data.val_labels)).mean()
    assert accuracy == max(epoch.accuracy for epoch in history) > 0.85
    assert [epoch.epoch for epoch in history] == list(range(1, 9))


def test_the_same_seed_teaches_the_same_and_unlabelled_texts_teach_too(tiny):
    train_data = tiny.toy_train_data()
    unlabelled = type(train_data)(**vars(train_data) | {"train_labels": [-100] * len(train_data.train_labels)})
    teacher = 6 * torch.nn.functional.one_hot(torch.tensor(train_data.train_labels), 4).float()
    one, two = (distill_static(unlabelled, teacher, NGRAMS, OPTIONS, seed=4) for _ in range(2))
    assert torch.equal(one[0].embedding, two[0].embedding)
    assert max(epoch.accuracy for epoch in one[1]) > 0.8


def test_the_engine_says_what_the_student_says(taught, tiny, folder):
    texts = [*tiny.toy_texts()[0][:20], *ODD]
    wanted = answers(taught[0], [NGRAMS.rows(text) for text in texts])
    said = opened(tiny, folder).predict(texts)
    assert said.dtype == np.float32
    np.testing.assert_allclose(said, wanted, atol=1e-4)


def test_outside_training_the_student_sees_the_rounded_embedding(tiny, tmp_path):
    torch.manual_seed(0)
    student = StaticStudent(OPTIONS, 4).eval()
    with torch.no_grad():
        student.embedding[0, 0] = 100.0  # one outlier makes the first column's steps as coarse as can be
    text = tiny.toy_texts()[0][0]
    before = answers(student, [NGRAMS.rows(text)])
    with torch.no_grad():
        student.embedding[1:, 0] = 0.0  # what was less than half a step is nothing after rounding
    np.testing.assert_array_equal(answers(student, [NGRAMS.rows(text)]), before)
    said = opened(tiny, write(student, tmp_path / "coarse", tiny.LABELS)).predict([text])
    np.testing.assert_allclose(said, before, atol=1e-4)


def test_int4_takes_half_the_bytes_and_the_engine_says_what_the_student_says(tiny, tmp_path):
    train_data = tiny.toy_train_data()
    teacher = 6 * torch.nn.functional.one_hot(torch.tensor(train_data.train_labels), 4).float()
    student, history = distill_static(
        train_data, teacher, NGRAMS, msgspec.structs.replace(OPTIONS, embeddings="int4"), seed=1
    )
    assert max(epoch.accuracy for epoch in history) > 0.85
    folder = write(student, tmp_path / "int4", tiny.LABELS)
    stored = load_file(folder / STATIC)
    assert (stored["embedding"].dtype, stored["embedding"].shape) == (np.uint8, (512, 8))
    assert len(np.unique(unpacked(stored["embedding"]))) > 8
    texts = [*tiny.toy_texts()[0][:20], *ODD]
    wanted = answers(student, [NGRAMS.rows(text) for text in texts])
    np.testing.assert_allclose(opened(tiny, folder).predict(texts), wanted, atol=1e-4)


@given(
    arrays(
        np.int8, st.tuples(st.integers(1, 5), st.integers(1, 4).map(lambda half: 2 * half)), elements=st.integers(-7, 7)
    )
)
def test_packed_int4_values_come_back(values):
    assert np.array_equal(unpacked(packed_int4(values)), values)


def test_an_odd_width_cannot_be_packed():
    with pytest.raises(RecipeError, match="embedding_dim is 15; make it even"):
        check_options(msgspec.structs.replace(OPTIONS, embeddings="int4", embedding_dim=15))


def test_the_promised_size_is_that_of_the_tensors(tmp_path, tiny):
    for embeddings in ("int8", "int4"):
        options = msgspec.structs.replace(OPTIONS, embeddings=embeddings)
        folder = write(StaticStudent(options, 4), tmp_path / embeddings, tiny.LABELS)
        assert sum(each.nbytes for each in load_file(folder / STATIC).values()) == options.tensor_bytes(4)


def test_a_batch_is_answered_as_each_text_alone(tiny, folder):
    engine, texts = opened(tiny, folder), [*tiny.toy_texts()[0][:5], *ODD]
    assert np.array_equal(engine.predict(texts), np.concatenate([engine.predict([text]) for text in texts]))


def test_the_head_can_be_scaled_and_shifted(tiny, folder):
    texts = tiny.toy_texts()[0][:5]
    before = opened(tiny, folder).predict(texts)
    factor, offset = np.array([1, 0.5, 0, 2], dtype=np.float32), np.array([0, 3, -1, 0], dtype=np.float32)
    scale_head(folder / STATIC, factor, offset)
    np.testing.assert_allclose(opened(tiny, folder).predict(texts), before * factor + offset, atol=1e-4)


def damaged(tensors, name):
    if name == "no head":
        del tensors["last"]
    elif name == "other buckets":
        tensors["embedding"] = tensors["embedding"][:100]
    elif name == "other labels":
        tensors["last_bias"] = tensors["last_bias"][:2]
    elif name == "other width":
        tensors["first"] = tensors["first"][:5]
    elif name == "other hidden":
        tensors["last"] = tensors["last"][:5]
    elif name == "other kind":
        tensors["embedding"] = tensors["embedding"].astype(np.float32)
    return {key: np.ascontiguousarray(value) for key, value in tensors.items()}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no head", "lacks last"),
        ("other buckets", "doesn't match its configuration"),
        ("other labels", "doesn't match its configuration"),
        ("other width", "doesn't match its configuration"),
        ("other hidden", "doesn't match its configuration"),
        ("other kind", "doesn't match its configuration"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tiny, folder, name, said):
    save_file(damaged(load_file(folder / STATIC), name), folder / STATIC)
    with pytest.raises(ArtifactError, match=said):
        opened(tiny, folder)


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\xff" * 64])
def test_a_file_without_tensors_is_refused(tmp_path, content):
    (tmp_path / STATIC).write_bytes(content)
    with pytest.raises(ArtifactError, match="not a safetensors file"):
        read_tensors(tmp_path / STATIC)


@pytest.mark.parametrize("lengths", [[4, 3], [3, 3], [0, 3], [3, 1000]])
def test_lengths_of_ngrams_that_do_not_rise_are_refused(lengths, tmp_path):
    table = {"buckets": 512, "words": 2, "characters": lengths, "max_words": 16}
    (tmp_path / "config.json").write_text(json.dumps({CONFIG_KEY: table}))
    with pytest.raises(ArtifactError, match="must increase"):
        read_ngrams(tmp_path / "config.json")


@pytest.mark.parametrize("table", [None, {"buckets": 512}, {"buckets": "many", "words": 2}])
def test_a_configuration_that_does_not_say_the_n_grams_is_refused(tiny, folder, table):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {CONFIG_KEY: table}))
    with pytest.raises(ArtifactError, match="needs packlight_ngrams"):
        opened(tiny, folder)
