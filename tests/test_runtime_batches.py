"""Batches by length: what joins which batch, for steps, for `score` and for the server."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from packlight.runtime.batches import by_length

LENGTHS = [3, 9, 3, 5, 3, 9, 40]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"budget": 9, "padding": 0}, [[0, 2, 4], [3], [1], [5], [6]]),
        ({"budget": 100, "padding": 0}, [[0, 2, 4], [3], [1, 5], [6]]),
        ({"budget": 100, "padding": 6}, [[0, 2, 4, 3], [1, 5], [6]]),
        ({"budget": 100}, [[0, 2, 4, 3, 1, 5], [6]]),
        ({"budget": 1000, "most": 3}, [[0, 2, 4], [3, 1, 5], [6]]),
    ],
)
def test_a_text_joins_a_batch_within_tokens_padding_and_number(options, expected):
    assert by_length(LENGTHS, **options) == expected


def test_full_batches_come_of_many_texts_of_one_length():
    assert [len(batch) for batch in by_length([4] * 1000, budget=512, padding=0)] == [128] * 7 + [104]
    assert by_length([], budget=512) == []


@given(
    lengths=some.lists(some.integers(1, 60), max_size=80),
    budget=some.integers(1, 200),
    padding=some.none() | some.integers(0, 30),
    most=some.none() | some.integers(1, 9),
)
def test_each_text_comes_once_and_no_limit_is_broken(lengths, budget, padding, most):
    batches = by_length(lengths, budget=budget, padding=padding, most=most)
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        own = [lengths[place] for place in batch]
        assert own == sorted(own)
        assert len(own) == 1 or len(own) * own[-1] <= budget
        assert most is None or len(own) <= most
        if padding is not None:
            steps = zip(range(1, len(own)), own, own[1:], strict=False)
            assert all(texts * (longer - shorter) <= padding for texts, shorter, longer in steps)
