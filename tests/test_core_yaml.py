"""YAML by the core schema, within bounds: every text ends in a value or in one error with its place."""

import math

import msgspec
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from packlight.core_yaml import Place, YamlError, read_yaml, write_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("a:", {"a": None}),
        ("[true, False, no, on, y]", [True, False, "no", "on", "y"]),
        ("[1, -2, +3, 0o17, 0x1F, 017, 1_000]", [1, -2, 3, 15, 31, 17, "1_000"]),
        ("[1., .5, 4e-3, -1E2, 1:30]", [1.0, 0.5, 0.004, -100.0, "1:30"]),
        ("2026-01-01", "2026-01-01"),
        ("['1', \"null\", '']", ["1", "null", ""]),
        ("<<: x", {"<<": "x"}),
        ("a: |\n  one\n  two\nb: >\n  one\n  two\n", {"a": "one\ntwo\n", "b": "one two\n"}),
        ("1: a\ntrue: b\n", {"1": "a", "true": "b"}),
    ],
)
def test_plain_values_are_those_of_the_core_schema(text, value):
    found = read_yaml(text).value
    assert found == value
    assert repr(found) == repr(value)


def test_each_value_has_its_place():
    places = read_yaml("version: 1\nsteps:\n  - {step: a, as: b}\n").places
    assert (places["$.version"], places["$.steps[0]"], places["$.steps[0].as"]) == (
        Place(1, 10),
        Place(3, 5),
        Place(3, 19),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: !!int x", "line 1, column 4: a tag (tag:yaml.org,2002:int); remove it"),
        ("a: 1e999", "line 1, column 4: '1e999' is not a finite number"),
        ("a: .inf", "line 1, column 4: .inf is not a finite number"),
        ("a: [.nan]", "line 1, column 5: .nan is not a finite number"),
        ("a: " + "1" * 5000, "line 1, column 4: a whole number of more than 18 digits"),
        ("a: 0x" + "f" * 5000, "a whole number of more than 18 digits"),
        ('x:\n  a: "\\ud800"', "line 2, column 6: half of a surrogate pair in "),
        ("a: \ud800", "line 1, column 4: the character "),
        ('a: "\\UFFFFFFFF"', "line 1, column 7: "),
        ("[" * 5000, "line 1, column 21: nested more than 20 deep"),
        ("a: &x [1]\nb: *x", "line 2, column 4: an alias (*x); write the value itself"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' occurs twice"),
        ("? [1]\n: 2", "line 1, column 3: a key must be plain text"),
        ("a: 1\n---\nb: 2", "line 2, column 1: a second document begins"),
        ("a: [1, 2", "line 1, column 9: "),
        ("a:\n\t- 1", "line 2, column 1: "),
        ("a: b: c", "line 1, column 5: mapping values are not allowed here"),
        ("x" * 1_000_001, "longer than 1,000,000 characters"),
        ("- a\n" * 100_001, "more than 100,000 values"),
    ],
)
def test_everything_else_is_one_error_with_its_place(text, words):
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,?\n \t0123456789.e+x~\\\u00e9", max_size=60))
def test_any_text_ends_in_a_value_or_in_an_error(text):
    try:
        value = read_yaml(text).value
    except YamlError:
        return
    msgspec.json.encode(value)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=False, allow_infinity=False).filter(math.isfinite),
    st.text(max_size=12).filter(lambda text: all(not "\ud800" <= each <= "\udfff" for each in text)),
    st.sampled_from(["1e5", "0o7", "0x1f", "null", "true", "no", "1.", ".5", "-", "+1", "4e-3"]),
)


@example({"a": ["one\x85two", "\u2028", "a\rb"]})
@given(st.dictionaries(st.sampled_from("abc"), st.lists(SCALARS, max_size=3), max_size=3))
def test_what_is_written_is_read_again(value):
    assert read_yaml(write_yaml(value)).value == value


def test_the_events_of_pyyaml_are_all_known():
    kinds = {each.__name__ for each in (*yaml.CollectionStartEvent.__subclasses__(), *yaml.NodeEvent.__subclasses__())}
    assert kinds == {"MappingStartEvent", "SequenceStartEvent", "CollectionStartEvent", "AliasEvent", "ScalarEvent"}
