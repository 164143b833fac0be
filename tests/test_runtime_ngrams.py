"""Hashed n-grams: what a static model sees of a text."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packlight.runtime.ngrams import NGrams


def ngrams(**other):
    return NGrams(**({"buckets": 1 << 20, "words": 2, "characters": (3, 4), "max_words": 8} | other))


def rows(text, **other):
    return ngrams(**other).rows(text).tolist()


def test_rows_are_the_same_in_every_process():
    # Taken from an earlier process: a change of the hash would make every stored model useless.
    assert rows("wake me", characters=()) == [573845, 168642, 474065]
    assert rows("a", words=1, characters=(3,)) == [507459, 164422]


def test_there_is_a_row_for_each_n_gram():
    words = "wake me up"
    assert len(rows(words, words=1, characters=())) == 3
    assert len(rows(words, words=3, characters=())) == 3 + 2 + 1
    # The spaces before and behind count.
    assert len(rows(words, words=1, characters=(4,))) == 3 + (len(words) + 2 - 4 + 1)
    assert len(rows(words, words=1, characters=(1,))) == 3 + len(words) + 2


def test_each_length_of_characters_adds_its_rows():
    one, two, both = (rows("wake me", characters=each) for each in ((1,), (3,), (1, 3)))
    words = rows("wake me", characters=())
    assert sorted(both) == sorted(one + two[len(words) :])


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("wake me", "WAKE Me"),
        ("wake me", "  wake\t me\n"),
        ("où est-ce", unicodedata.normalize("NFD", "où est-ce")),
        ("wake me", "ｗａｋｅ　ｍｅ"),  # noqa: RUF001 - wide forms are what is tested
        ("größe ÄÖ", "GRÖẞE äö"),
        ("ﬁne", "fine"),
    ],
)
def test_what_reads_alike_has_the_same_rows(text, other):
    assert rows(text) == rows(other)


@pytest.mark.parametrize(("text", "other"), [("wake me", "me wake"), ("a b", "ab"), ("🙂", "🙃"), ("", "a")])
def test_what_reads_otherwise_has_other_rows(text, other):
    assert rows(text) != rows(other)


@pytest.mark.parametrize("text", ["", " \n", "a", "🙂", "\ud83d", "\x00"])
def test_odd_texts_have_a_row(text):
    assert len(rows(text)) >= 1


def test_words_after_the_last_are_not_read():
    assert rows("one two three four", max_words=2) == rows("one two", max_words=2)
    assert rows("one two three", max_words=3) != rows("one two", max_words=3)


@given(
    texts=st.lists(st.text(max_size=30), max_size=12),
    buckets=st.integers(1, 5000),
    words=st.integers(1, 3),
    characters=st.sets(st.integers(1, 7)).map(sorted).map(tuple),
)
def test_several_texts_have_the_rows_that_each_has_alone(texts, buckets, words, characters):
    ngrams = NGrams(buckets=buckets, words=words, characters=characters, max_words=5)
    together = ngrams.rows_of_each(texts)
    assert len(together) == len(texts)
    for rows, text in zip(together, texts, strict=True):
        assert rows.dtype == np.int64
        np.testing.assert_array_equal(rows, ngrams.rows(text))


@given(
    st.text(),
    st.integers(1, 3000),
    st.integers(1, 4),
    st.lists(st.integers(1, 8), unique=True, max_size=4).map(sorted).map(tuple),
)
def test_any_text_has_rows_within_the_table(text, buckets, words, characters):
    found = NGrams(buckets=buckets, words=words, characters=characters, max_words=5).rows(text)
    assert found.dtype == np.int64
    assert len(found) >= 1
    assert found.min() >= 0
    assert found.max() < buckets
    assert np.array_equal(found, NGrams(buckets=buckets, words=words, characters=characters, max_words=5).rows(text))
