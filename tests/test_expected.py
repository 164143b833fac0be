"""What a value must be, in words."""

from typing import Annotated, Literal

import msgspec
import pytest

from packlight.expected import expected, problem_of, shown

Count = Annotated[int, msgspec.Meta(ge=0)]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "a whole number"),
        (Annotated[int, msgspec.Meta(ge=1, le=4)], "a whole number from 1 to 4"),
        (Annotated[float, msgspec.Meta(gt=0)], "a number above 0"),
        (Annotated[float, msgspec.Meta(ge=0.5, lt=1)], "a number of at least 0.5 and below 1"),
        (bool, "true or false"),
        (Literal["a"], "'a'"),
        (Literal["b", "a"] | None, "'a', 'b' or null"),
        (Annotated[int, msgspec.Meta(ge=1)] | None, "a whole number of at least 1 or null"),
        (tuple[Count, ...] | int | None, "a whole number, a list of whole numbers of at least 0 or null"),
        (Annotated[str, msgspec.Meta(description="of text")], "text"),
    ],
)
def test_a_type_in_words(kind, words):
    assert expected(kind) == words


class Options(msgspec.Struct, kw_only=True, tag_field="step", tag="options"):
    layers: Count
    alpha: float = msgspec.field(default=0.5, name="weight")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"step": "options", "layers": 3}, None),
        ({}, "layers is missing; it must be a whole number of at least 0"),
        ({"layers": -1}, "layers is -1, but must be a whole number of at least 0"),
        ({"layers": 1, "weight": None}, "weight is null, but must be a number"),
        ({"layers": 1, "weight": "4e-3"}, "weight is '4e-3', but must be a number; that is text, write 0.004"),
        ({"layers": 1, "weights": 1}, "there is no key 'weights' (did you mean 'weight'?)"),
        ({"layers": 1, "colour": 1}, "there is no key 'colour'; it takes layers, weight"),
    ],
)
def test_what_is_wrong_with_values(given, problem):
    assert problem_of(Options, given) == problem


def test_a_long_value_is_cut():
    assert len(shown(["a"] * 100)) == 60
    assert shown(value=True) == "true"
