"""Which column is the text and which the label."""

import pytest

from packlight.data.columns import choose_columns, with_header
from packlight.data.diagnostics import DataWarning
from packlight.data.labelled import labelled
from packlight.data.table import Table
from packlight.errors import DataError


def table(header_row=None, **cells):
    length = len(next(iter(cells.values())))
    return Table("a.csv", range(2, length + 2), cells, header_row)


def two(first, second):
    return table(**{first: ["a b", "c d", "e f"], second: ["x", "x", "y"]})


@pytest.mark.parametrize("text", ["text", "Utterance", "QUERY", "sentence", " question", "message"])
@pytest.mark.parametrize("label", ["label", "Intent", "category", "class", "Class-Name"])
def test_known_names_are_found_in_any_order_and_case(text, label):
    assert choose_columns(two(text, label)) == (text, label)
    assert choose_columns(two(label, text)) == (text, label)


def test_one_known_name_leaves_the_other_column():
    assert choose_columns(two("text", "rubrique")) == ("text", "rubrique")
    assert choose_columns(two("phrase_fr", "intent")) == ("phrase_fr", "intent")


def test_of_two_unknown_columns_the_one_that_repeats_is_the_label():
    assert choose_columns(two("une", "deux")) == ("une", "deux")
    assert choose_columns(table(une=["x", "x", "y"], deux=["a", "b", "c"])) == ("deux", "une")


def test_row_numbers_and_splits_are_passed_over():
    cells = {"": [0, 1, 2], "id": [7, 8, 9], "split": ["train"] * 3, "une": ["a", "b", "c"], "deux": ["x", "x", "y"]}
    assert choose_columns(table(**cells)) == ("une", "deux")


def test_given_columns_are_taken_and_the_other_is_guessed():
    three = table(text=["a", "b"], label=["x", "y"], note=["u", "v"])
    assert choose_columns(three, text_column="note") == ("note", "label")
    assert choose_columns(three, label_column="note") == ("text", "note")
    assert choose_columns(three, text_column="label", label_column="text") == ("label", "text")


def test_among_several_known_names_one_is_taken_with_a_warning():
    with pytest.warns(DataWarning, match="'intent' is used as the label column, not 'category'; choose with --label"):
        found = labelled(table(text=["a", "b"], category=["x", "x"], intent=["y", "z"]))
    assert (found.text, found.label) == ("text", "intent")


@pytest.mark.parametrize(
    "cells",
    [
        {"row id": ["1", "2"], "the message": ["a b", "c d"], "kind of thing": ["x", "x"], "source": ["web", "web"]},
        {"text": ["1", "2"], "utterance": ["wake me up", "play some jazz"], "label": ["x", "y"], "intent": ["s", "s"]},
        {"text": ["1", "2"], "utterance": ["wake me up", "play some jazz"], "the note": ["", ""], "by": ["s", "s"]},
    ],
    ids=["no known name", "two texts", "no label"],
)
def test_a_refused_table_is_one_error_without_a_warning(cells, recwarn):
    with pytest.raises(DataError):
        labelled(with_header(table(1, **cells)))
    assert not recwarn.list


@pytest.mark.parametrize(
    ("cells", "given", "words"),
    [
        (
            {"text": ["a"], "label": ["b"]},
            {"text_column": "txt"},
            "no column 'txt': the columns are 'text', 'label'; did",
        ),
        ({"text": ["a"], "label": ["b"]}, {"label_column": "zzz"}, "no column 'zzz'"),
        ({"text": ["a"], "label": ["b"]}, {"text_column": "text", "label_column": "text"}, "are both 'text'"),
        (
            {"u": ["a"], "v": ["b"], "w": ["c"]},
            {},
            "texts and labels: the columns are 'u', 'v', 'w'; name them with --t",
        ),
        ({"text": ["a"], "v": ["b"], "w": ["c"]}, {}, "it is unclear which column has the labels"),
        ({"u": ["a", "b"], "v": ["b", "c"]}, {}, "has the texts; both have 2 distinct values"),
        ({"text": ["a"]}, {}, "it is unclear which column has the labels"),
    ],
)
def test_what_cannot_be_guessed_lists_the_columns(cells, given, words):
    with pytest.raises(DataError) as caught:
        choose_columns(table(**cells), **given)
    assert words in str(caught.value)


def test_a_first_line_whose_label_comes_again_is_a_row():
    headless = with_header(
        table(1, **{"book a flight": ["hi there", "fly me", "hey"], "travel": ["greet", "travel", "greet"]})
    )
    assert headless.cells == {
        "text": ["book a flight", "hi there", "fly me", "hey"],
        "label": ["travel", "greet", "travel", "greet"],
    }
    assert list(headless.numbers) == [1, 2, 3, 4]


def test_the_label_may_come_first():
    headless = with_header(table(1, greet=["bye", "greet", "bye"], hello=["see you", "hi", "ciao"]))
    assert headless.cells["text"][0] == "hello"
    assert headless.cells["label"][0] == "greet"


def test_a_first_line_that_stands_out_is_a_header():
    given = table(1, phrase=["a", "b", "c", "d"], rubrique=["x", "y", "x", "y"])
    assert with_header(given) is given


def test_a_known_name_makes_a_header_unless_it_is_a_label_below():
    given = table(1, phrase=["a", "b", "c"], category=["x", "y", "z"])
    assert with_header(given) is given
    shop = table(1, **{"show me more of these": ["x", "y", "z"], "category": ["category", "price", "price"]})
    assert with_header(shop).cells["label"] == ["category", "category", "price", "price"]


@pytest.mark.parametrize("label", ["spam", "1"])
def test_a_known_name_above_the_texts_makes_a_header_even_if_the_label_s_name_is_a_label(label):
    texts, labels = ["win now", "see you", "buy this", "at six"], [label, "0", label, "0"]
    given = table(1, text=texts, **{label: labels})
    assert with_header(given) is given
    assert choose_columns(given) == ("text", label)
    turned = table(1, **{label: labels, "Message": texts})
    assert with_header(turned) is turned


def test_a_first_line_that_could_be_either_is_refused():
    with pytest.raises(DataError, match=r"row 1 \('a', 'b'\) may be a header or the first text"):
        with_header(table(1, a=["c", "e"], b=["d", "f"]))


def test_formats_that_name_their_columns_are_not_doubted():
    given = table(None, a=["c", "e"], b=["b", "b"])
    assert with_header(given) is given


def test_a_first_line_that_is_a_sentence_is_a_row_with_a_warning():
    given = table(1, **{"wake me up at six please": ["a b", "c d", "e f", "g h"], "alarm": ["x", "y", "x", "y"]})
    with pytest.warns(DataWarning, match=r"row 1 \('wake me up at six please', 'alarm'\) was read as the first text"):
        assert with_header(given).cells["text"][0] == "wake me up at six please"


def test_a_first_line_of_two_words_is_a_header_with_a_warning():
    given = table(1, **{"play jazz": ["a b", "c d", "e f", "g h"], "music": ["x", "y", "x", "y"]})
    with pytest.warns(DataWarning, match=r"\('play jazz', 'music'\) was read as the header; if it is the first text"):
        assert with_header(given) is given


def test_a_table_of_three_columns_without_header_is_seen_by_its_label_or_its_numbers():
    cells = {
        "1": ["2", "3", "4", "5"],
        "play jazz": ["wake me", "call", "play rock", "ring"],
        "music": ["a", "b", "music", "a"],
    }
    found = with_header(table(1, **cells))
    assert found.cells["text"] == ["play jazz", *cells["play jazz"]]
    assert found.cells["label"] == ["music", *cells["music"]]
    assert found.cells["column 1"] == ["1", "2", "3", "4", "5"]
    assert found.notes == ("no header line",)
