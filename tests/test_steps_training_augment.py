"""Unlabelled texts made of labelled ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packlight.steps.training.augment import augment

TEXTS = ["wake me at seven", "play the song queen", "will it rain in oslo", "alarm"]


def test_the_same_seed_makes_the_same_texts():
    assert augment(TEXTS, 30, seed=1) == augment(TEXTS, 30, seed=1)
    assert augment(TEXTS, 30, seed=1) != augment(TEXTS, 30, seed=2)


def test_so_many_new_texts_are_made_of_the_old_words():
    made = augment(TEXTS, 50, seed=3)
    assert len(made) == len(set(made)) == 50
    assert not set(made) & set(TEXTS)
    assert {word for text in made for word in text.split()} <= {word for text in TEXTS for word in text.split()}
    # Some are spliced: the start of one text and the end of another.
    assert any(text.startswith("wake me") and text.endswith("oslo") for text in augment(TEXTS, 300, seed=0))


@pytest.mark.parametrize("texts", [[], ["alarm"], [" "]])
def test_where_no_more_can_be_made_there_are_fewer(texts):
    assert len(augment(texts, 20, seed=0)) < 20


@given(st.lists(st.text(max_size=20), max_size=6), st.integers(0, 20), st.integers(0, 9))
def test_any_texts_give_new_ones_or_none(texts, count, seed):
    made = augment(texts, count, seed=seed)
    assert len(made) <= count
    assert len(set(made)) == len(made)
    assert not set(made) & {"", *texts}


def test_words_of_the_vocabulary_take_the_place_of_longer_words():
    words = ("lake", "of", "telescope", "harbour")
    made = augment(TEXTS, 300, seed=0, words=words)
    known = {word for text in TEXTS for word in text.split()}
    added = {word for text in made for word in text.split()} - known
    # Short words such as "of" carry a text, and are neither taken nor given.
    assert added == {"lake", "telescope", "harbour"}
    mixed = [text for text in made if added & set(text.split())]
    assert 50 < len(mixed) < 200
    counts = [sum(word in text.split() for text in made) for word in ("lake", "telescope", "harbour")]
    assert counts[0] > counts[2]
    assert augment(TEXTS, 300, seed=0, words=words) == made
