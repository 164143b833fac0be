"""Which rows are for one label a text, and how others are refused by name."""

import json

import pytest

from packlight.data.diagnostics import DataWarning
from packlight.data.formats import read_file
from packlight.data.memory import as_dataset
from packlight.data.table import Table
from packlight.data.tasks import without_repeated_headers
from packlight.errors import DataError

WORDS = ("wake me up at six", "play some quiet jazz", "how tall is the tower", "call my mother now")


def csv_of(header, *rows):
    return "\n".join([header, *rows]).encode()


def refusal(file, data, **columns):
    with pytest.raises(DataError) as caught:
        read_file(file, data, **columns)
    return str(caught.value)


def pairs(rows):
    return [(row.text, row.label) for row in rows]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("text_a", "text_b"),
        ("sentence1", "sentence2"),
        ("premise", "hypothesis"),
        ("Question 1", "Question 2"),
        ("query", "passage"),
    ],
)
def test_pairs_are_refused_by_their_names(first, second):
    rows = (f"a {word},b {word},{'yes' if n % 2 else 'no'}" for n, word in enumerate("stuvwxyz"))
    message = refusal("a.csv", csv_of(f"{first},{second},relation", *rows))
    assert "a.csv has two columns of texts" in message
    assert f"--text-column {first}" in message or f"--text-column {second}" in message


def test_a_second_text_is_refused_by_its_contents_unless_the_first_is_chosen():
    rows = [f"{WORDS[n % 4]} {n},{WORDS[n % 3]} {n} times,{'xy'[n % 2]}" for n in range(12)]
    data = csv_of("text,body,label", *rows)
    assert "two columns of texts, 'text' and 'body'" in refusal("a.csv", data)
    notes = []
    assert len(read_file("a.csv", data, text_column="text", notes=notes)["train"]) == 12
    assert notes == ["a.csv: texts in 'text', labels in 'label', not used: 'body'"]


def test_columns_that_are_no_texts_are_left_out_and_said():
    rows = (f"{WORDS[n % 4]} {n},u{n},2026-01-{n:02},{'xy'[n % 2]}" for n in range(1, 12))
    notes = []
    read_file("a.csv", csv_of("text,user,date,label", *rows), notes=notes)
    assert notes == ["a.csv: texts in 'text', labels in 'label', not used: 'user', 'date'"]


@pytest.mark.parametrize("separator", [";", "|", ", ", "+"])
def test_joined_labels_are_refused(separator):
    labels = ["pay", "card", f"pay{separator}card", f"card{separator}fee", "fee", f"pay{separator}fee"]
    rows = (f'{WORDS[n % 4]} {n},"{labels[n % 6]}"' for n in range(24))
    message = refusal("a.csv", csv_of("text,label", *rows))
    assert f"joins several labels with {separator.strip()!r} ('" in message
    assert "packlight learns one label for each text" in message


@pytest.mark.parametrize(
    "labels",
    [
        ["card/lost", "card/stolen", "phone/lost", "phone/stolen"],
        ["food/pizza", "food/pasta", "drinks/beer", "drinks/wine"],
        ["toys, games", "garden, outdoor", "books"],
        ["C++", "C", "A+"],
    ],
)
def test_labels_with_signs_in_them_are_labels(labels):
    rows = (f'{WORDS[n % 4]} {n},"{labels[n % len(labels)]}"' for n in range(24))
    assert {row.label for row in read_file("a.csv", csv_of("text,label", *rows))["train"]} == set(labels)


def test_columns_of_zeros_and_ones_are_refused():
    rows = [f"{WORDS[n % 4]} {n},{n % 2},{int(n % 3 == 0)},1" for n in range(12)]
    message = refusal("a.csv", csv_of("text,toxic,rude,spam", *rows))
    assert "the columns 'toxic', 'rude', 'spam' hold 0 and 1: several labels for a text" in message
    one = [f"{WORDS[n % 4]} {n},{n % 2},{1 - n % 2}" for n in range(12)]
    assert "one 1 in each row; write the name of its column" in refusal("a.csv", csv_of("text,ham,spam", *one))
    assert len(read_file("a.csv", csv_of("text,toxic,rude,spam", *rows), label_column="toxic")["train"]) == 12


@pytest.mark.parametrize("label", [lambda found: found, json.dumps, repr])
def test_lists_of_labels_are_refused_or_taken_out_where_each_holds_one(label):
    lines = [{"text": f"{WORDS[n % 4]} {n}", "labels": label(["xyz"[n % 3]])} for n in range(9)]
    assert {row.label for row in read_file("a.jsonl", "\n".join(map(json.dumps, lines)).encode())["train"]} == set(
        "xyz"
    )
    lines[4]["labels"] = label(["x", "y"])
    message = refusal("a.jsonl", "\n".join(map(json.dumps, lines)).encode())
    assert message.startswith("a.jsonl, row 5: several labels for a text (['x', 'y']), in 1 of 9 rows")


@pytest.mark.parametrize("words", ["tokens", "words"])
def test_labels_of_words_are_refused(words):
    lines = [{words: text.split(), "ner_tags": [0] * len(text.split())} for text in WORDS]
    message = refusal("a.jsonl", "\n".join(map(json.dumps, lines)).encode(), text_column=words, label_column="ner_tags")
    assert message.startswith(f"a.jsonl: the column 'ner_tags' labels the words in '{words}' (token classification)")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_that_is_repeated_is_no_text(mark):
    rows = [f"{WORDS[n % 4]} {n},{'ab'[n % 2]}" for n in range(4)]
    data = "\n".join(["text,label", *rows, f"{mark}text,label", *rows, "text,label"]).encode()
    with pytest.warns(DataWarning, match=r"a\.csv: repeats its header in 2 rows, not used; the first is row 6"):
        found = read_file("a.csv", data)["train"]
    assert [row.label for row in found] == ["a", "b"] * 4
    records = json.dumps([{"text": "text", "label": "label"}, {"text": "a", "label": "b"}]).encode()
    assert len(read_file("a.json", records)["train"]) == 2, "a format that names columns itself repeats no header"


def test_a_header_that_is_repeated_late_in_a_large_table_is_found_in_one_pass():
    count = 300_000  # (a pass for each row would take ten minutes)
    cells = {"text": [*map(str, range(count)), "text", "end"], "label": ["a"] * count + ["label", "b"]}
    with pytest.warns(DataWarning, match=f"repeats its header in 1 row, not used; the first is row {count + 2}"):
        found = without_repeated_headers(Table("a.csv", range(2, count + 4), cells, 1), "text", "label")
    assert (len(found), found.numbers[-1], found.cells["label"][-1]) == (count + 1, count + 3, "b")


def test_whole_numbers_with_a_fraction_are_labels_as_in_a_data_frame():
    notes = []
    rows = [f"{WORDS[n % 4]} {n},{n % 2}.0" for n in range(8)]
    found = read_file("a.csv", csv_of("text,label", *rows), notes=notes)["train"]
    assert [row.label for row in found] == ["0", "1"] * 4
    assert notes == ["a.csv: texts in 'text', labels in 'label' as whole numbers"]
    versions = [f"{WORDS[n % 4]} {n},{('1.0', '1.1')[n % 2]}" for n in range(8)]
    assert [row.label for row in read_file("a.csv", csv_of("text,label", *versions))["train"]] == ["1.0", "1.1"] * 4


def test_scores_are_refused():
    rows = [f"{WORDS[n % 4]} {n},{n / 7:.3f}" for n in range(24)]
    assert "the column 'score' holds scores (0, 0.143, 0.286 …)" in refusal("a.csv", csv_of("text,score", *rows))
    classes = [f"{WORDS[n % 4]} {n},{n % 4}.0" for n in range(24)]
    assert len(read_file("a.csv", csv_of("text,label", *classes))["train"]) == 24


def test_of_prodigys_rows_only_the_accepted_ones_are_used():
    answers = ["accept", "reject", "accept", "ignore"]
    lines = [
        {
            "text": f"{WORDS[n % 4]} {n}",
            "label": "xy"[n % 2],
            "_input_hash": n,
            "_view_id": "classification",
            "answer": answers[n % 4],
        }
        for n in range(16)
    ]
    data = "\n".join(map(json.dumps, lines)).encode()
    with pytest.warns(
        DataWarning,
        match="an export of Prodigy; used only the 8 rows with the answer 'accept', not the 4 rejected and 4 ignored ones$",
    ):
        rows = read_file("a.jsonl", data)["train"]
    assert len(rows) == 8
    with pytest.raises(DataError, match="an export of Prodigy; no row has the answer 'accept'"):
        read_file("a.jsonl", data.replace(b'"accept"', b'"reject"'))


def test_prodigys_choices_are_its_labels():
    options = [{"id": "x", "text": "X"}, {"id": "y", "text": "Y"}]
    lines = [
        {
            "text": f"{WORDS[n % 4]} {n}",
            "options": options,
            "accept": ["xy"[n % 2]],
            "answer": "accept",
            "_view_id": "choice",
        }
        for n in range(8)
    ]
    data = "\n".join(map(json.dumps, lines)).encode()
    assert [row.label for row in read_file("a.jsonl", data)["train"]] == list("xyxyxyxy")


def test_answers_beside_labels_are_a_review_even_without_prodigys_columns():
    rows = [f"{WORDS[n % 4]} {n},{'xy'[n % 2]},{'reject' if n > 5 else 'accept'}" for n in range(8)]
    with pytest.warns(
        DataWarning,
        match=r"a\.csv: used only the 6 rows with the answer 'accept', not the 2 rejected ones; if .* rename it",
    ):
        assert len(read_file("a.csv", csv_of("text,label,answer", *rows))["train"]) == 6
    chosen = read_file("a.csv", csv_of("text,label,answer", *rows), label_column="answer")["train"]
    assert [row.label for row in chosen].count("reject") == 2


def test_an_answer_column_without_prodigys_marks_is_a_label():
    rows = (f"{WORDS[n % 4]} {n},{('accept', 'reject')[n % 2]}" for n in range(8))
    assert [row.label for row in read_file("a.csv", csv_of("text,answer", *rows))["train"]][:2] == ["accept", "reject"]


def test_doccanos_lists_of_one_are_labels_and_texts_without_any_are_said():
    lines = [{"id": n, "text": f"{WORDS[n % 4]} {n}", "label": ["xy"[n % 2]] if n else []} for n in range(9)]
    with pytest.warns(DataWarning, match="1 rows have an empty list of labels, and are not used"):
        rows = read_file("a.jsonl", "\n".join(map(json.dumps, lines)).encode())["train"]
    assert pairs(rows)[:2] == [(f"{WORDS[1]} 1", "y"), (f"{WORDS[2]} 2", "x")]
    spans = [{"id": n, "text": f"{WORDS[n % 4]} {n}", "label": [[0, 4, "TIME"]]} for n in range(9)]
    assert "the column 'label' marks parts of a text ([0, 4, 'TIME'])" in refusal(
        "a.jsonl", "\n".join(map(json.dumps, spans)).encode()
    )


RASA = 'version: "3.1"\nnlu:\n- intent: alarm\n  examples: |\n    - wake me up\n'


@pytest.mark.parametrize(
    ("file", "data", "tool", "way"),
    [
        ("nlu.yml", RASA, "Rasa", "rasa data convert nlu -f json --data nlu.yml"),
        ("nlu.md", "## intent:alarm\n- wake me up\n", "Rasa", "rasa data convert nlu"),
        ("nlu.json", '{"rasa_nlu_data": {"common_examples": []}}', "Rasa", ".rasa_nlu_data.common_examples[]"),
        (
            "l.json",
            '{"luis_schema_version": "7.0.0", "intents": [], "utterances": []}',
            "LUIS",
            ".utterances[] | [.text, .intent]",
        ),
        ("s.json", '[{"id": 1, "data": {"text": "a"}, "annotations": []}]', "Label Studio", "export as CSV there"),
        ("t.txt", "__label__alarm wake me up\n", "fastText", "sed -E"),
    ],
)
def test_exports_of_other_tools_are_named_with_their_way_to_csv(file, data, tool, way):
    message = refusal(file, data.encode())
    assert message.startswith(f"{file} is {tool}'s own format, which packlight doesn't read; convert it to CSV: ")
    assert way in message


def test_rows_in_memory_are_looked_at_alike():
    columns = {
        "text_a": [f"a {n}" for n in range(12)],
        "text_b": [f"b {n}" for n in range(12)],
        "label": list("xy") * 6,
    }
    with pytest.raises(DataError, match="two columns of texts"):
        as_dataset(columns)
    with pytest.raises(DataError, match=r"several labels for a text \(\['x', 'y'\]\), in 12 of 12 rows"):
        as_dataset([{"text": f"text {n}", "label": ["x", "y"]} for n in range(12)])
