"""Files to rows: delimiters, encodings, quotes, JSON of every shape, Parquet."""

import gzip
import io
import json
import shutil
import subprocess
import sys
import warnings
import zipfile

import pytest

from packlight.data import formats, load_dataset
from packlight.data.diagnostics import DataWarning
from packlight.data.formats import READERS, read_file, read_texts, spreadsheet_reader
from packlight.data.formats.hidden_rows import hidden_rows
from packlight.data.table import Row
from packlight.errors import DataError, MissingExtraError
from spreadsheets import ods, packed, xlsx


def pairs(rows):
    return [(row.text, row.label) for row in rows]


def refusal(file, data, **columns):
    with pytest.raises(DataError) as caught:
        read_file(file, data if isinstance(data, bytes) else data.encode(), **columns)
    return str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiter_and_line_ends_are_found(delimiter, end):
    lines = [["text", "label"], ["hello there", "small talk"], ["où es-tu, ami; dis", "Géo"], ["", ""]]
    quoted = [delimiter.join(f'"{cell}"' if cell else "" for cell in line) for line in lines]
    assert pairs(read_file("a.csv", end.join(quoted).encode())["train"]) == [
        ("hello there", "small talk"),
        ("où es-tu, ami; dis", "Géo"),
    ]


def test_semicolons_win_though_texts_hold_commas():
    data = "phrase;rubrique\nbonjour, ça va;salut\noui, bien;accord\nallô, toi;salut\nbon, oui;accord\n"
    assert pairs(read_file("a.csv", data.encode())["train"])[0] == ("bonjour, ça va", "salut")


def test_known_names_decide_between_delimiters():
    data = "text|label\nyes, sir|yes\nno|no\n"
    assert pairs(read_file("a.csv", data.encode())["train"]) == [("yes, sir", "yes"), ("no", "no")]


def test_quotes_and_line_breaks_inside_a_text_keep_the_row_number():
    data = 'text,label\n"say ""hi""\nto her",greet\nbye,leave\n'
    assert read_file("a.csv", data.encode())["train"] == [
        Row("a.csv", 2, 'say "hi"\nto her', "greet"),
        Row("a.csv", 4, "bye", "leave"),
    ]


def test_many_blank_lines_before_the_header_are_passed_over():
    data = "\n" * 300 + "text,label\na,b\n"
    assert read_file("a.csv", data.encode())["train"] == [Row("a.csv", 302, "a", "b")]


def test_byte_order_mark_is_accepted():
    assert pairs(read_file("a.csv", b"\xef\xbb\xbftext,label\na,b\n")["train"]) == [("a", "b")]


def test_ragged_rows_are_told_together():
    lines = ["text,label", *["well, hello,greet"] * 6, "ok,fine", "alone"]
    message = refusal("a.csv", "\n".join(lines))
    assert message.startswith("7 rows cannot be used:")
    assert "a.csv, row 2: 3 fields where the header has 2; put a text that holds a comma in double quotes" in message
    assert "row 6" in message
    assert "row 7" not in message
    assert message.endswith("and 2 more")


def test_a_single_ragged_row_is_one_line():
    message = refusal("a.csv", "text,label\na,b\nalone\n")
    assert message == "a.csv, row 3: 1 field where the header has 2; put a text that holds a comma in double quotes"


def test_empty_columns_on_the_right_do_no_harm():
    assert pairs(read_file("a.csv", b"text,label,,\na,b,,\nc,d,,\n")["train"]) == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("file", "data", "words"),
    [
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", " \n\n", "a.csv is empty"),
        ("a.csv", "text,label\n", "a header and no rows"),
        ("a.csv", "just text\nmore\n", "one column only ('just text' in row 1)"),
        ("a.csv", 'text,label\na,b\n"never closed,c\nd,e\n', "a.csv, row 3: a quote is not closed"),
        ("a.csv", 'text,label\n"yes" she said,c\n', "a.csv, row 2: a quote"),
        ("a.csv", "text,label,text\na,b,c\n", "the column 'text' occurs twice"),
        ("a.docx", "x", "unknown file type '.docx': expected one of .csv"),
        ("a.csv.gz", "x", "a.csv.gz cannot be unpacked"),
        ("a.zip", "x", "a.zip is an archive: unpack it, or compress one file with gzip"),
        ("a", "x", "unknown file type ''"),
        ("a.jsonl", "", "a.jsonl is empty"),
        ("a.json", "[]", "a.json has no rows"),
        ("a.json", "{}", "an empty object"),
        ("a.json", "3", "expected a list of records or an object of splits"),
        ("a.json", '{"data": []}', "found 'data'"),
        ("a.json", '{"train": 3}', "found 'train'"),
        ("a.json", '{"text": "a"}\n{"text": "b"}', "name the file .jsonl"),
        ("a.json", '{"train": [["a", "b"],\n ["c" "d"]]}', "a.json, row 2: invalid JSON"),
        ("a.json", '{"train": [["a", "b"], ["c"]]}', "a.json (train), row 2: ['c'] is neither a pair nor an object"),
        ("a.parquet", "not it", "a.parquet is not a readable Parquet file"),
        ("a.csv", ",\n,\n", "a.csv holds empty cells only"),
        pytest.param("a.json", "[" * 100_000, "a.json: nested too deeply", id="deep.json"),
        pytest.param("a.json", f"[{'1' * 5000}]", "a.json: a number of too many digits", id="long.json"),
        pytest.param("a.jsonl", "{}\n" + "[" * 100_000, "a.jsonl, row 2: nested too deeply", id="deep.jsonl"),
        pytest.param("a.jsonl", "1" * 5000, "a.jsonl, row 1: a number of too many digits", id="long.jsonl"),
    ],
)
def test_unreadable_files_say_why(file, data, words):
    if file.endswith("parquet"):
        pytest.importorskip("pyarrow")
    assert words in refusal(file, data)


def test_json_lines_name_their_line():
    message = refusal("a.jsonl", '{"text": "a", "label": "b"}\n{"text": "a"\n\n["a", "b"]\n')
    assert "2 rows cannot be used" in message
    assert "a.jsonl, row 2: invalid JSON" in message
    assert "a.jsonl, row 4: ['a', 'b'] is not a JSON object" in message


def test_json_lines_keep_separators_inside_strings():
    data = json.dumps({"text": "one\u2028two", "label": 3}, ensure_ascii=False) + "\r\n"
    assert read_file("a.jsonl", data.encode())["train"] == [Row("a.jsonl", 1, "one\u2028two", 3)]


def test_a_key_that_a_line_lacks_is_none():
    data = '{"text": "a", "label": "b"}\n{"text": "c"}\n'
    assert read_file("a.ndjson", data.encode())["train"][1] == Row("a.ndjson", 2, "c", None)


def test_json_splits_join_their_out_of_scope_lists_whatever_the_order():
    value = {"oos_dev": [["z", "oos"]], "dev": [["a", "x"]], "train": [{"query": "b", "intent": "y"}], "oos_test": []}
    rows = read_file("d.json", json.dumps(value).encode())
    assert rows == {
        "val": [Row("d.json (dev)", 1, "a", "x"), Row("d.json (oos_dev)", 1, "z", "oos")],
        "train": [Row("d.json (train)", 1, "b", "y")],
    }


def test_json_list_of_records_is_train():
    assert pairs(read_file("d.json", b'[["a", "b"], {"text": "c", "label": "d"}]')["train"]) == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize("column", ["split", "Split"])
def test_a_split_column_cuts_the_rows(column):
    data = f"text,label,{column}\na,x,train\nb,y,Validation\nc,x,test\nd,y,TRAIN\n"
    rows = read_file("a.csv", data.encode())
    assert {name: pairs(part) for name, part in rows.items()} == {
        "train": [("a", "x"), ("d", "y")],
        "val": [("b", "y")],
        "test": [("c", "x")],
    }
    assert rows["train"][1].number == 5


def test_an_unknown_split_is_refused():
    message = refusal("a.csv", "text,label,split\na,x,train\nb,y,\nc,y,7\n")
    assert "a.csv, row 3: the split is ''; write train, val or test, or remove the column" in message
    assert "row 4: the split is '7'" in message


def test_a_split_column_that_is_the_label_stays_one():
    rows = read_file("a.csv", b"text,split\na,6-10\nb,7-10\n", label_column="split")
    assert pairs(rows["train"]) == [("a", "6-10"), ("b", "7-10")]


def parquet_bytes(columns, metadata=None):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    stream = io.BytesIO()
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata(metadata), stream)
    return stream.getvalue()


def test_parquet_is_read():
    data = parquet_bytes({"id": [1, 2], "utterance": ["é", None], "category": ["x y", "z"]})
    assert read_file("a.parquet", data)["train"] == [
        Row("a.parquet", 1, "é", "x y"),
        Row("a.parquet", 2, None, "z"),
    ]


def test_parquet_class_labels_become_names():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "intent": datasets.ClassLabel(names=["no", "yes"])})
    stream = io.BytesIO()
    datasets.Dataset.from_dict({"text": ["a", "b", "c"], "intent": [1, 0, -1]}, features=features).to_parquet(stream)
    assert pairs(read_file("a.parquet", stream.getvalue())["train"]) == [("a", "yes"), ("b", "no"), ("c", None)]


@pytest.mark.parametrize("note", [b"no json", b"[]", b'{"info": {"features": {"label": 3}}}'])
def test_parquet_metadata_of_another_kind_is_no_obstacle(note):
    data = parquet_bytes({"text": ["a"], "label": [1]}, {b"huggingface": note})
    assert pairs(read_file("a.parquet", data)["train"]) == [("a", 1)]


def test_parquet_without_rows_is_refused():
    assert "a.parquet has no rows" in refusal("a.parquet", parquet_bytes({"text": [], "label": []}))


def test_parquet_without_pyarrow_names_the_install_line(monkeypatch):
    monkeypatch.setattr("packlight.extras.find_spec", lambda _: None)
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    with pytest.raises(MissingExtraError, match=r'reading a\.parquet needs pyarrow: pip install -e "\.\[parquet\]"'):
        read_file("a.parquet", b"")


def test_a_stated_delimiter_is_obeyed():
    data = "\ufeffsep=;\r\nphrase;rubrique\r\nbonjour, toi;salut\r\nça va, merci;salut\r\nau revoir;fin\r\nà demain;fin\r\n"
    rows = read_file("a.csv", data.encode())["train"]
    assert rows[0] == Row("a.csv", 3, "bonjour, toi", "salut")
    assert len(rows) == 4


def test_a_long_text_is_a_text():
    long = "word " * 60_000
    assert pairs(read_file("a.csv", f"text,label\n{long},a\nshort,b\n".encode())["train"])[0] == (long, "a")


def test_a_quote_that_may_swallow_texts_without_labels_is_a_warning():
    rows = [f"text {number}" for number in range(40)]
    rows[3], rows[9] = '"say hello', 'turn it up"'
    with pytest.warns(
        DataWarning, match=r"a\.csv, row 5: a quoted text of 7 lines, where most texts have one; if a stray"
    ):
        assert len(read_texts("a.csv", "\n".join(["text", *rows]).encode())) == 34
    poems = "\n".join(["text", *(f'"{row}\nand on"' for row in rows[10:])]).encode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_texts("a.csv", poems)) == 30


def test_stray_quotes_that_swallow_rows_are_refused_by_row():
    rows = [f"text number {n},{'xyz'[n % 3]}" for n in range(30)]
    rows[4] = '"text number 4,y'
    rows[20] = 'text number 20",z'
    message = refusal("a.csv", "\n".join(["text,label", *rows]))
    assert message.startswith("a.csv, row 6: a double quote opens a text that ends 16 rows later, with rows such as ")
    rows[5] = 'text number 5",z'
    rows[20] = "text number 20,z"
    assert "ends 1 row later" in refusal("a.csv", "\n".join(["text,label", *rows]))
    first = [",".join(reversed(row.split(","))) for row in rows]
    assert "a double quote opens a text" in refusal("a.csv", "\n".join(["label,text", *first]).replace('",z', ',z"'))


def test_texts_of_several_lines_are_no_stray_quotes():
    rows = [f'"Hi,\nplease {verb} it, {n}\nThanks,\nA",{verb}' for n in range(6) for verb in ("open", "close")]
    assert len(read_file("a.csv", "\n".join(["text,label", *rows]).encode())["train"]) == 12


def test_a_packed_file_is_what_its_inner_suffix_says():
    data = gzip.compress(b'{"text": "a", "label": "b"}\n')
    assert pairs(read_file("a.jsonl.gz", data)["train"]) == [("a", "b")]


def test_a_packed_file_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr("packlight.data.formats.LARGEST", 10)
    assert "unpacks to more than" in refusal("a.csv.gz", gzip.compress(b"text,label\na,b\n"))


def test_what_was_understood_is_noted():
    notes = []
    read_file("a.csv", "text,label,user\nça,b,anna\nd,e,otto\n".encode("utf-16"), notes=notes)
    assert notes == ["a.csv: texts in 'text', labels in 'label', read as utf-16, not used: 'user'"]


def test_a_space_before_a_quote_is_not_part_of_the_label():
    lines = ['"text", "label"', '"hi, there", "x"', '"ho ""ho"" ho", "y"']
    assert pairs(read_file("a.csv", "\n".join(lines).encode())["train"]) == [("hi, there", "x"), ('ho "ho" ho', "y")]
    assert pairs(read_file("a.csv", b'label,text\nx, "hi" he said\ny,no\ny,"so"')["train"])[0] == (' "hi" he said', "x")


def test_a_byte_order_mark_inside_a_joined_file_is_removed():
    data = b"text,label\na,x\n" + b"\xef\xbb\xbf" + b'"b, c",y\n'
    assert pairs(read_file("a.csv", data)["train"]) == [("a", "x"), ("b, c", "y")]


CELLS = (("text", "label"), ("wake me, please", "alarm"), ("", ""), ("play “jazz”", 7))
"""a header, a row, a blank row, and one whose label is a number"""


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", ["xlsx", "ods"])
def test_a_spreadsheet_is_read(suffix):
    pytest.importorskip("python_calamine")
    data = {"xlsx": xlsx, "ods": ods}[suffix](CELLS)
    rows = read_file(f"a.{suffix}", data)["train"]
    assert rows == [Row(f"a.{suffix}", 2, "wake me, please", "alarm"), Row(f"a.{suffix}", 4, "play “jazz”", "7")]


def test_numbers_among_texts_are_texts_and_a_column_of_numbers_is_not():
    pytest.importorskip("python_calamine")
    rows = read_file("a.xlsx", xlsx([("text", "label"), ("hi", 1), (1000, 2), (0.5, 1)]))["train"]
    assert [(row.text, row.label) for row in rows] == [("hi", 1), ("1000", 2), ("0.5", 1)]


def test_a_label_that_is_merged_over_rows_is_the_label_of_each():
    pytest.importorskip("python_calamine")
    cells = [("label", "text"), ("alarm", "wake me"), ("", "ring"), ("music", "play"), ("", "sing")]
    rows = read_file("a.xlsx", xlsx(cells, merged=("A2:A3", "A4:A5", "D1:D9")))["train"]
    assert [(row.label, row.text) for row in rows] == [
        *(("alarm", "wake me"), ("alarm", "ring"), ("music", "play"), ("music", "sing")),
    ]


def test_sheets_that_are_named_like_splits_are_the_splits():
    pytest.importorskip("python_calamine")
    sheets = {name: [("text", "label"), (f"a {name}", "x"), ("", "")] for name in ("train", "Validation", "test")}
    with pytest.warns(DataWarning, match=r"4 sheets; only 'train', 'Validation', 'test' were read"):
        found = read_file("a.xlsx", xlsx((), **sheets, Notes=[("by", "Anna")]))
    assert {split: [row.text for row in rows] for split, rows in found.items()} == {
        "train": ["a train"],
        "val": ["a Validation"],
        "test": ["a test"],
    }
    assert found["val"][0].file == "a.xlsx, sheet 'Validation'"


@pytest.mark.parametrize(("name", "data"), [("a.xlsx", xlsx), ("a.ods", ods)])
def test_hidden_rows_are_read_with_a_warning(name, data):
    pytest.importorskip("python_calamine")
    cells = [("text", "label"), ("hi", "x"), ("ho", "y"), ("he", "x"), ("", "")]
    with pytest.warns(
        DataWarning, match=r"rows that are hidden or filtered out, and were read like all others: 2; delete"
    ):
        rows = read_file(name, data(cells, hidden=(1, 3, 4)))["train"]
    assert [row.text for row in rows] == ["hi", "ho", "he"]


def test_a_hidden_row_that_is_stored_once_counts_as_often_as_it_is_repeated():
    pytest.importorskip("python_calamine")
    book = ods([("text", "label"), ("hi", "x"), ("ho", "y")], hidden=(2,), times=3)
    with pytest.warns(DataWarning, match=r"read like all others: 3; delete"):
        rows = read_file("a.ods", book)["train"]
    assert [row.text for row in rows] == ["hi"] * 3 + ["ho"] * 3


def test_hidden_rows_of_another_sheet_are_not_counted():
    pytest.importorskip("python_calamine")
    workbook = xlsx(CELLS, hidden=(6,), Notes=[("by", "Anna"), *[("", "")] * 5, ("and", "Bo")])
    assert [hidden_rows(workbook, sheet) for sheet in (0, 1, 2)] == [0, 1, 0]


def test_a_first_sheet_of_notes_is_refused_with_what_to_do():
    pytest.importorskip("python_calamine")
    with pytest.warns(DataWarning, match="only the first, 'Tabelle1', was read"):
        message = refusal("a.xlsx", xlsx([("made by Anna",)], Data=[("text", "label"), ("hi", "x")]))
    assert "of the sheet 'Tabelle1'; put all labelled texts on the first sheet" in message


def test_a_workbook_whose_directory_points_before_its_start_is_refused():
    pytest.importorskip("python_calamine")
    data = bytearray(xlsx(CELLS))
    place = data.rindex(b"PK\x05\x06") + 16
    start = int.from_bytes(data[place : place + 4], "little")
    data[place : place + 4] = (start + len(data)).to_bytes(4, "little")
    assert "a.xlsx is not a readable spreadsheet" in refusal("a.xlsx", bytes(data))


def test_what_is_no_spreadsheet_is_refused():
    pytest.importorskip("python_calamine")
    assert "a.xlsx is not a readable spreadsheet" in refusal("a.xlsx", b"not it")


def test_a_spreadsheet_without_its_reader_names_the_install_line(monkeypatch):
    monkeypatch.setattr("packlight.extras.find_spec", lambda _: None)
    with pytest.raises(
        MissingExtraError, match=r'reading a\.xlsx needs python_calamine: pip install -e "\.\[spreadsheet\]"'
    ):
        read_file("a.xlsx", b"")


def test_a_format_is_one_module_with_its_suffixes():
    by_module = {}
    for suffix, reader in READERS.items():
        by_module.setdefault(reader.__module__.rpartition(".")[2], set()).add(suffix)
    assert by_module == {
        "csv_reader": {".csv", ".tsv"},
        "json_reader": {".jsonl", ".ndjson", ".json"},
        "parquet_reader": {".parquet"},
        "spreadsheet_reader": {".xlsx", ".xls", ".ods"},
    }


PSV = """
from packlight.data.table import Table


def read_psv(file, data, encoding=None):
    header, *lines = [line.split("|") for line in data.decode().splitlines()]
    return Table(file, range(2, len(lines) + 2), dict(zip(header, zip(*lines))), header_row=1)


READERS = {".psv": read_psv}
"""


def test_a_new_format_is_one_module(tmp_path, monkeypatch):
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "psv_reader.py").write_text(PSV)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path / "formats")])
    found = formats._readers()
    monkeypatch.delitem(sys.modules, "packlight.data.formats.psv_reader")
    monkeypatch.setattr(formats, "READERS", found)
    monkeypatch.setattr(formats, "SUFFIXES", tuple(found))
    rows = "".join(f"text {number}|{'yes' if number % 2 else 'no'}\n" for number in range(40))
    (tmp_path / "mine.psv").write_text(f"text|label\n{rows}")
    data = load_dataset(tmp_path / "mine.psv")
    assert data.labels == ("no", "yes")
    assert sum(len(data.split(name)) for name in ("train", "val", "test")) == 40


ROWS = [("wake me up", "alarm"), ("play jazz", "music")]
EXPORTS = {
    "Azure CLU": {"assets": {"utterances": [{"text": text, "intent": label} for text, label in ROWS]}},
    "Wit.ai": {"utterances": [{"text": text, "intent": label} for text, label in ROWS]},
    "Snips": {
        "language": "en",
        "intents": {
            label: {"utterances": [{"data": [{"text": text[:4]}, {"text": text[4:]}]}]} for text, label in ROWS
        },
    },
    "Watson Assistant": {
        "workspace_id": "w",
        "intents": [{"intent": label, "examples": [{"text": text}]} for text, label in ROWS],
    },
    "spaCy": [{"text": text, "cats": {"alarm": label == "alarm", "music": label == "music"}} for text, label in ROWS],
    "Argilla": [{"fields": {"text": text}, "responses": {"label": [{"value": label}]}} for text, label in ROWS],
    "OpenAI": [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": label}]}
        for text, label in ROWS
    ],
}


@pytest.mark.parametrize("tool", EXPORTS)
def test_exports_of_other_tools_are_named_with_a_command_that_converts_them(tool, tmp_path):
    value = EXPORTS[tool]
    lines = isinstance(value, list)
    file = tmp_path / ("a.jsonl" if lines else "a.json")
    file.write_text("\n".join(map(json.dumps, value)) if lines else json.dumps(value))
    message = refusal(str(file), file.read_bytes())
    assert f"is {tool}'s own format" in message
    if shutil.which("jq") is None:
        return
    command = message.partition("convert it to CSV: ")[2]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    rows = read_file("texts.csv", (tmp_path / "texts.csv").read_bytes())["train"]
    assert pairs(rows) == ROWS


def test_a_benchmark_of_snips_is_named():
    snips = {label: [{"data": [{"text": text[:4]}, {"text": text[4:]}]}] for text, label in ROWS}
    assert "Snips's own format" in refusal("a.json", json.dumps(snips))


def with_part(data, part, old, new):
    """A workbook with other words in one of its files."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    return packed(parts | {part: parts[part].replace(old, new)})


FAR = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
REPEATED = (
    '<table:table-row table:number-rows-repeated="1045575"><table:table-cell table:number-columns-repeated="16384">{}'
    "</table:table-cell></table:table-row></table:table>"
)


def test_a_cell_far_away_is_refused_because_it_would_end_the_process():
    message = refusal("a.xlsx", with_part(xlsx(CELLS), "xl/worksheets/sheet1.xml", "</sheetData>", FAR))
    assert "has a cell XFD1048576, so its sheet spans more than 20,000,000 cells" in message
    filled = with_part(ods(CELLS), "content.xml", "</table:table>", REPEATED.format("<text:p>x</text:p>"))
    assert "spans more than 20,000,000 cells" in refusal("a.ods", filled)


def test_empty_cells_to_the_edge_of_a_sheet_are_none():
    pytest.importorskip("python_calamine")
    data = with_part(ods(CELLS), "content.xml", "</table:table>", REPEATED.format(""))
    wide = '<table:table-cell table:number-columns-repeated="16382"/></table:table-row>'
    rows = read_file("a.ods", with_part(data, "content.xml", "</table:table-row>", wide))["train"]
    assert [row.number for row in rows] == [2, 4]


def test_a_workbook_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(spreadsheet_reader, "LARGEST", 1000)
    assert "unpacks to more than" in refusal("a.xlsx", xlsx(CELLS))


def test_more_exports_in_one_json_file_are_named():
    spacy = json.dumps([["a", {"cats": {"x": 1.0}}]])
    assert "spaCy's own format" in refusal("a.json", spacy)
    dialogflow = json.dumps([{"data": [{"text": "a", "userDefined": False}], "isTemplate": False, "count": 0}])
    assert "Dialogflow's own format" in refusal("a.json", dialogflow)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"text,label\na,b\n", mtime=0), "compressed with gzip: give it a name that ends in .gz"),
        (b"PK\x03\x04" + bytes(30), "a zip archive, or a workbook"),
        (b"%PDF-1.4 ", "is a PDF"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git-lfs pointer"),
        (b"__label__b a\n__label__c d\n", "fastText's own format"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_file_that_is_no_text_is_named_by_its_first_bytes(name, content, said):
    assert said in refusal(name, content)


def test_a_list_under_one_name_is_read():
    records = [{"text": text, "label": label} for text, label in ROWS]
    assert pairs(read_file("a.json", json.dumps({"data": records}).encode())["train"]) == ROWS
    assert list(read_file("a.json", json.dumps({"val": records}).encode())) == ["val"]


@pytest.mark.parametrize("number", [lambda column: column, lambda column: dict(zip("01", column, strict=True))])
def test_json_that_is_written_column_by_column_is_read(number):
    texts, labels = zip(*ROWS, strict=True)
    content = json.dumps({"text": number(list(texts)), "label": number(list(labels))})
    assert pairs(read_file("a.json", content.encode())["train"]) == ROWS


def test_a_header_that_is_wider_than_all_rows_is_one_error():
    text = b"id,text,label,source\nwake me up,alarm\nplay jazz,music\n"
    with pytest.raises(DataError) as caught:
        read_file("a.csv", text)
    assert str(caught.value) == (
        "a.csv, row 1: the header has 4 columns ('id', 'text', 'label', 'source'), but each row below has 2 fields; "
        "give the header 2 names, such as `text,label`"
    )
