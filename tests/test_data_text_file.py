"""Texts without labels, as `predict --file` and unlabelled texts come."""

import gzip
import json

import pytest

from packlight.data.text_file import read_lines, texts_of_file
from packlight.errors import DataError


def file_of(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_each_line_is_a_text_and_blank_ones_keep_their_place(tmp_path):
    file = file_of(tmp_path, "texts.txt", "\ufeffwake me up\r\n\n  Zürich, please \n \nlast\n")
    assert texts_of_file(file) == ["wake me up", "", "Zürich, please", "", "last"]
    assert read_lines(file) == ["wake me up", "Zürich, please", "last"]


def test_only_line_feeds_end_a_text(tmp_path):
    text = "one\u2028text\x85of\fmany\rlines"
    assert texts_of_file(file_of(tmp_path, "texts.txt", f"{text}\r\nnext")) == [text, "next"]


def test_lines_in_another_encoding(tmp_path):
    assert texts_of_file(file_of(tmp_path, "a.txt", "où\nça\n".encode("utf-16"))) == ["où", "ça"]
    assert texts_of_file(file_of(tmp_path, "a.txt", "où\nça\n".encode("cp850")), encoding="cp850") == ["où", "ça"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "text,label\nplay jazz,music\n",
            r"'text,label', is the header of a table; give it as a file whose name ends in \.csv",
        ),
        ('"id";"Query"\n1;play jazz\n', "is the header of a table"),
        ("intent\tutterance\nmusic\tplay jazz\n", "is the header of a table"),
        (
            '{"text": "play jazz"}\n\n{"text": "stop"}\n',
            r"lines are JSON objects; give it as a file whose name ends in \.jsonl",
        ),
    ],
)
def test_a_table_under_another_name_is_refused(tmp_path, content, words):
    with pytest.raises(DataError, match=words):
        texts_of_file(file_of(tmp_path, "texts.txt", content))


def test_texts_that_only_look_a_little_like_a_table_are_texts(tmp_path):
    texts = ["text, please", "{play} jazz", "label", "category: jazz, label: blue note"]
    for first in texts:
        rest = [text for text in texts if text != first]
        assert texts_of_file(file_of(tmp_path, "a.txt", "\n".join([first, *rest]))) == [first, *rest]


CSV = 'label,text\nx,play jazz\ny,""\nx,"two\nlines"\n'
LINES = [{"label": "x", "text": "play jazz"}, {"text": ""}, {"text": "two\nlines"}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.tsv", CSV.replace(",", "\t")),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("a.csv", 'text\nplay jazz\n""\n"two\nlines"\n'.replace('""', '" "')),
        ("a.jsonl", "\n".join(map(json.dumps, LINES))),
        ("a.json", json.dumps(LINES)),
    ],
)
def test_a_table_gives_the_texts_of_its_column_and_no_labels(tmp_path, name, content):
    texts = [text.strip() for text in texts_of_file(file_of(tmp_path, name, content))]
    assert texts == ["play jazz", "", "two\nlines"]


def test_a_parquet_file_gives_its_texts(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"query": ["a", "b"], "n": [1, 2]}), tmp_path / "a.parquet")
    assert texts_of_file(tmp_path / "a.parquet") == ["a", "b"]
    with pytest.raises(DataError, match=r"row 1: 1 is not a text; choose the column with --text-column"):
        texts_of_file(tmp_path / "a.parquet", text_column="n")


def test_a_table_without_header_has_all_its_texts(tmp_path):
    rows = "".join(f"{'please wake me up at' if n else 'play some jazz for'} {n},{'xy'[n % 2]}\n" for n in range(6))
    assert len(texts_of_file(file_of(tmp_path, "a.csv", rows))) == 6


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("texts.txt", None, "cannot be read.*one per line"),
        ("texts.txt", b"\n \n", "no texts.*one per line"),
        ("texts.txt", b"\xff\xfe", "is empty"),
        ("texts.txt", b"PK\x00\x01 and more\xff", "is not in utf-8"),
        (
            "a.csv",
            b"play jazz\nwake me\n",
            "'play jazz' may be the header or the first text; put the header `text` above it",
        ),
        (
            "a.csv",
            b"u,v\nplay jazz,wake me\nx,y\n",
            "may be a header or the first text|it is unclear which column has the",
        ),
        ("a.jsonl", b'{"text": "a"}\n{"text": null}\n', "row 2: None is not a text"),
        ("a.jsonl", b"play jazz\n", "row 1: invalid JSON"),
        ("a.zip", b"PK", "is an archive: unpack it"),
    ],
)
def test_what_holds_no_readable_texts_is_one_error(tmp_path, name, content, said):
    if content is not None:
        file_of(tmp_path, name, content)
    with pytest.raises(DataError, match=said):
        texts_of_file(tmp_path / name)


def test_lines_have_no_columns(tmp_path):
    with pytest.raises(DataError, match="has lines, not columns; omit --text-column"):
        texts_of_file(file_of(tmp_path, "a.txt", "a\n"), text_column="text")
