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
from packlight.runtime.bag import BagReader, hash_of
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
from packlight.steps.distill_static.apply import distill_static
from packlight.steps.distill_static.known_words import choose_words
from packlight.steps.distill_static.options import DistillStatic
from packlight.steps.distill_static.student import StaticStudent, answers, save_static
from packlight.steps.distill_static.word_vectors import word_table
from packlight.steps.step import check_options

NGRAMS = NGrams(buckets=512, words=2, characters=(3, 4), max_words=16)
OPTIONS = DistillStatic(
    name="static", buckets=512, embedding_dim=16, hidden_size=16, char_ngrams=(3, 4), max_length=16, epochs=8, batch_size=16,
    learning_rate=2e-2, dropout=0.1, word_vectors=6, word_dim=4,
)  # fmt: skip
KNOWN = {"alarm": 3, "rain": 5, "song": 4, "the": 0, "oslo": 6, "größer": 7}
WORDS = word_table(KNOWN, np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32), 4)
READER = BagReader(NGRAMS, WORDS.hashes)
ODD = ["", "alarm", "🙂 größer", "will it rain in oslo " * 30, "ALARM"]


@pytest.fixture(scope="module")
def taught(tiny):
    """A student that was taught by sharp answers, and its history."""
    train_data = tiny.toy_train_data()
    teacher = 6 * torch.nn.functional.one_hot(torch.tensor(train_data.train_labels), 4).float()
    return distill_static(train_data, teacher, NGRAMS, WORDS, OPTIONS, seed=1)


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
    said = answers(student, READER.read(train_data.val_texts)).argmax(1)
    accuracy = (said == np.array(train_data.val_labels)).mean()
    assert accuracy == max(epoch.accuracy for epoch in history) > 0.85
    assert [epoch.epoch for epoch in history] == list(range(1, 9))


def test_the_same_seed_teaches_the_same_and_unlabelled_texts_teach_too(tiny):
    train_data = tiny.toy_train_data()
    unlabelled = type(train_data)(**vars(train_data) | {"train_labels": [-100] * len(train_data.train_labels)})
    teacher = 6 * torch.nn.functional.one_hot(torch.tensor(train_data.train_labels), 4).float()
    one, two = (distill_static(unlabelled, teacher, NGRAMS, WORDS, OPTIONS, seed=4) for _ in range(2))
    assert torch.equal(one[0].embedding, two[0].embedding)
    assert max(epoch.accuracy for epoch in one[1]) > 0.8


def test_the_engine_says_what_the_student_says(taught, tiny, folder):
    texts = [*tiny.toy_texts()[0][:20], *ODD]
    wanted = answers(taught[0], READER.read(texts))
    said = opened(tiny, folder).predict(texts)
    assert said.dtype == np.float32
    np.testing.assert_allclose(said, wanted, atol=1e-4)


def test_outside_training_the_student_sees_the_rounded_embedding(tiny, tmp_path):
    torch.manual_seed(0)
    student = StaticStudent(OPTIONS, WORDS, 4).eval()
    with torch.no_grad():
        student.embedding[0, 0] = 100.0  # one outlier makes the first column's steps as coarse as can be
    text = tiny.toy_texts()[0][0]
    before = answers(student, READER.read([text]))
    with torch.no_grad():
        student.embedding[1:, 0] = 0.0  # what was less than half a step is nothing after rounding
    np.testing.assert_array_equal(answers(student, READER.read([text])), before)
    said = opened(tiny, write(student, tmp_path / "coarse", tiny.LABELS)).predict([text])
    np.testing.assert_allclose(said, before, atol=1e-4)


def test_int4_takes_half_the_bytes_and_the_engine_says_what_the_student_says(tiny, tmp_path):
    train_data = tiny.toy_train_data()
    teacher = 6 * torch.nn.functional.one_hot(torch.tensor(train_data.train_labels), 4).float()
    student, history = distill_static(
        train_data, teacher, NGRAMS, WORDS, msgspec.structs.replace(OPTIONS, embeddings="int4"), seed=1
    )
    assert max(epoch.accuracy for epoch in history) > 0.85
    folder = write(student, tmp_path / "int4", tiny.LABELS)
    stored = load_file(folder / STATIC)
    assert (stored["embedding"].dtype, stored["embedding"].shape) == (np.uint8, (512, 8))
    assert len(np.unique(unpacked(stored["embedding"]))) > 8
    texts = [*tiny.toy_texts()[0][:20], *ODD]
    wanted = answers(student, READER.read(texts))
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
        folder = write(StaticStudent(options, WORDS, 4), tmp_path / embeddings, tiny.LABELS)
        assert sum(each.nbytes for each in load_file(folder / STATIC).values()) == options.tensor_bytes(4)
        fewer = msgspec.structs.replace(options, word_vectors=100)
        assert fewer.tensor_bytes(4, words=6) == options.tensor_bytes(4)


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
    elif name == "fewer words":
        tensors["words"] = tensors["words"][:5]
    elif name == "wide hashes":
        tensors["word_hashes"] = tensors["word_hashes"].astype(np.int64)
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
        ("fewer words", "doesn't match its configuration"),
        ("wide hashes", "doesn't match its configuration"),
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


def test_a_known_word_is_found_wherever_it_stands():
    one, two, none = READER.read(["The ALARM, the alarm's off", "alarm", "alarms und snow"])
    assert [tuple(KNOWN)[row] for row in one.words] == ["the", "alarm", "the", "alarm"]
    assert two.words.tolist() == [0]
    assert none.words.tolist() == []
    assert [len(one), len(none)] == [
        len(NGRAMS.rows("The ALARM, the alarm's off")),
        len(NGRAMS.rows("alarms und snow")),
    ]


def test_words_behind_the_longest_text_are_not_read():
    assert READER.read(["a " * 16 + "alarm"])[0].words.tolist() == []
    assert READER.read(["a " * 15 + "alarm"])[0].words.tolist() == [0]


def test_words_of_the_texts_come_first_then_those_of_the_vocabulary(trained_folder):
    tokenizer = trained_folder("bert") / "tokenizer.json"
    texts = ["will the alarm ring", "the alarm", "zyx"]
    known = choose_words(tokenizer, texts)
    words = tuple(known)
    assert words[:5] == ("the", "alarm", "will", "ring", "zyx")
    vocabulary = json.loads(tokenizer.read_text())["model"]["vocab"]
    others = words[5:]
    assert others, "the vocabulary has other words with these letters"
    assert {*others} <= {*vocabulary}
    assert set("".join(others)) <= set("".join(texts))
    assert [known[word] for word in others] == sorted(known[word] for word in others)
    assert known["zyx"] > max(known[word] for word in others)
    assert tuple(choose_words(tokenizer, texts, 2)) == ("the", "alarm")
    assert choose_words(tokenizer, texts, 0) == {}


def test_a_word_table_keeps_the_directions_of_its_vectors():
    features = np.random.default_rng(3).normal(size=(200, 12)).astype(np.float32)
    known = {f"word{place}": place for place in range(200)}
    table = word_table(known, features, 12)
    stored = table.weights[:, None] * table.values * table.scale
    centred = features - features.mean(axis=0)

    def likeness(vectors):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit @ unit.T

    # A projection onto all components only turns the vectors, and int4 moves them a little.
    assert np.abs(likeness(stored) - likeness(centred)).max() < 0.2
    assert np.all(np.diff(table.weights / np.linalg.norm(centred, axis=1)) > 0), "a rarer word weighs more"


def test_a_table_wider_than_the_features_ends_with_zeros():
    table = word_table(KNOWN, np.eye(6, 3, dtype=np.float32), 8)
    assert table.values.shape == (6, 8)
    assert not (table.values * table.scale)[:, 3:].any()


def test_without_words_there_are_only_n_grams(tiny, tmp_path):
    options = msgspec.structs.replace(OPTIONS, word_vectors=0)
    none = word_table({}, np.zeros((0, 5), dtype=np.float32), 0)
    student = StaticStudent(options, none, 4)
    folder = write(student, tmp_path / "none", tiny.LABELS)
    texts = [*tiny.toy_texts()[0][:5], *ODD]
    wanted = answers(student, BagReader(NGRAMS, none.hashes).read(texts))
    np.testing.assert_allclose(opened(tiny, folder).predict(texts), wanted, atol=1e-4)
    assert sum(each.nbytes for each in load_file(folder / STATIC).values()) == options.tensor_bytes(4)


def test_an_odd_width_of_words_cannot_be_packed():
    with pytest.raises(RecipeError, match="word_dim is 5; make it even"):
        check_options(msgspec.structs.replace(OPTIONS, word_dim=5))


def test_the_hash_of_a_word_is_the_same_in_every_process():
    # Taken from an earlier process: a change of the hash would make every stored model useless.
    assert (hash_of("alarm"), hash_of("größer")) == (1956595421, 4164294576)
