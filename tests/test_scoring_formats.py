"""The input: what is found, how files are cut into fragments, and that nothing is lost between two of them."""

import csv
import gzip
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import feather, ipc, parquet

from packlight.errors import DataError
from packlight.scoring.formats.reader import row_parts
from packlight.scoring.inputs import fragments_of, input_files
from packlight.scoring.settings import READ_ERROR, JobOptions

ROWS = [
    {"id": str(number), "text": f'text {number}, "quoted"\nin two lines' * (1 + number % 3)} for number in range(500)
]


def write(folder, name):
    """The rows in a file whose name says the format."""
    path = folder / name
    table = pa.Table.from_pylist(ROWS)
    plain = name.removesuffix(".gz").removesuffix(".zst")
    target = folder / plain
    match plain.rpartition(".")[2]:
        case "parquet":
            parquet.write_table(table, target, row_group_size=120)
        case "feather":
            feather.write_feather(table, target, chunksize=90)
        case "arrow":
            with ipc.new_stream(target, table.schema) as stream:
                stream.write_table(table, max_chunksize=70)
        case "csv" | "tsv" as kind:
            with target.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream, delimiter="\t" if kind == "tsv" else ";")
                writer.writerows([["id", "text"], *(row.values() for row in ROWS)])
        case "jsonl":
            target.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(target.read_bytes()))
    elif name.endswith(".zst"):
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(target.read_bytes())
    if path != target:
        target.unlink()
    return path


def read(given, *, rows_per_file=50, **options):
    files = input_files([str(each) for each in (given if isinstance(given, list) else [given])])
    fragments = fragments_of(files, JobOptions(rows_per_file=rows_per_file, **options))
    reader = files[0].reader
    return fragments, [
        [row for batch in reader.batches(each, None, "text") for row in batch.to_pylist()] for each in fragments
    ]


FORMATS = ["parquet", "feather", "arrow", "csv", "tsv", "jsonl", "csv.gz", "jsonl.zst", "arrow.gz", "tsv.zst"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_row_is_in_one_fragment(tmp_path, suffix):
    fragments, found = read(write(tmp_path, f"rows.{suffix}"))
    rows = [row for part in found for row in part]
    assert [{"id": row["id"], "text": row["text"]} for row in rows] == ROWS
    assert all(row.get(READ_ERROR) is None for row in rows)
    one_part = suffix.endswith((".gz", ".zst")) or suffix == "arrow"
    assert (len(fragments) == 1) is one_part
    assert all(each.rows in (None, len(part)) for each, part in zip(fragments, found, strict=True))
    assert sum(each.likely_rows for each in fragments) == pytest.approx(500, rel=1)


@given(
    lines=st.lists(
        st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=300), min_size=1, max_size=60
    ),
    rows=st.integers(1, 20),
    end=st.sampled_from(["", "\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
@settings(max_examples=60)
def test_lines_are_neither_lost_nor_doubled(tmp_path_factory, lines, rows, end, mark):
    path = tmp_path_factory.mktemp("lines") / "lines.txt"
    content = "\n".join(lines) + end
    path.write_bytes((mark + content).encode())
    expected = [line.strip() for line in content.removesuffix("\n").split("\n")] if content else []
    if lines == [""] or content == "":
        expected = [""] if content == "\n" else []
    _, found = read(path, rows_per_file=rows)
    assert [row["text"] for part in found for row in part] == expected


@given(units=st.lists(st.integers(0, 400), max_size=20), most=st.integers(1, 150))
def test_row_ranges_cover_everything_and_are_small_enough(units, most):
    parts = row_parts(units, most)
    assert all(part.rows == part.stop - part.start and 0 < part.rows <= most for part in parts)
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])][: len(parts)]
    assert sum(part.rows for part in parts) == sum(units)


def test_cells_of_csv_stay_as_they_stand_and_bad_rows_are_said(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfid,text\r\n007,play\r\n8,caf\xe9\r\n\r\n9\r\n10,a,b\r\n1.0,x\r\n")
    _, (rows,) = read(tmp_path / "a.csv")
    assert [row["id"] for row in rows] == ["007", "8", None, None, "1.0"]
    assert [row["text"] for row in rows] == ["play", "caf\ufffd", None, None, "x"]
    assert [row[READ_ERROR] for row in rows] == [
        None,
        "not UTF-8",
        "2 cells expected, 1 found",
        "2 cells expected, 3 found",
        None,
    ]


def test_rows_of_jsonl_are_text_and_bad_ones_are_said(tmp_path):
    lines = [
        b'{"text": "play", "id": 7, "tags": ["a"]}',
        b"",
        b'{"id": true, "text": 5}',
        b"{]",
        b'{"text": "caf\xe9"}',
        b"3",
        b'{"text": "deep", "tags": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*lines, b'{"text": null, "id": "x"}']))
    _, (rows,) = read(tmp_path / "a.jsonl", rows_per_file=1000)
    assert [row["text"] for row in rows] == ["play", "5", None, "caf\ufffd", None, None, None]
    assert [row["id"] for row in rows] == ["7", "true", None, None, None, None, "x"]
    assert rows[0]["tags"] == '["a"]'
    errors = [None, "not a string", "not a JSON object", "not UTF-8", *["not a JSON object"] * 2, None]
    assert [row[READ_ERROR] for row in rows] == errors


def test_not_a_number_in_jsonl_is_null_and_loses_no_row(tmp_path):
    """Python's json writes it."""
    rows = [
        {"id": 1, "text": "wake me", "x": float("nan"), "y": [float("-inf"), 2.5]},
        {"id": 2, "text": float("nan"), "x": 1.5},
        {"id": 3, "text": "NaN is Infinity", "x": None},
    ]
    broken = '{"id": 4, "text": "\\ud800", "x": NaN}\n{"id": 5, "x": NaN'
    (tmp_path / "a.jsonl").write_text("\n".join([*map(json.dumps, rows), broken]))
    _, (found,) = read(tmp_path / "a.jsonl")
    assert [row["id"] for row in found] == ["1", "2", "3", None, None]
    assert [row["text"] for row in found] == ["wake me", None, "NaN is Infinity", None, None]
    assert [row["x"] for row in found] == [None, "1.5", None, None, None]
    assert found[0]["y"] == "[null,2.5]"
    assert [row[READ_ERROR] for row in found] == [None, None, None, "not a JSON object", "not a JSON object"]


def test_a_column_can_hold_a_huge_cell(tmp_path):
    (tmp_path / "a.csv").write_text(f'id,text\n1,"{"x" * 500_000}"\n')
    _, (rows,) = read(tmp_path / "a.csv")
    assert len(rows[0]["text"]) == 500_000


SWALLOWING = {
    "never closed": ('2,"set an alarm\n3,play music\n4,turn it off\n', 3, "not closed"),
    "closed before a letter": ('2,"set an alarm\n3,play music\n4,"turn it off\n', 3, "not closed"),
    "closed in the middle": ('2,"set an alarm\n3,play music\n4,turn "it off\n', 3, "not closed"),
    "closed at an end": (
        '2,"set an alarm\n3,play music\n4,turn it off"\n',
        3,
        r"3 lines, with rows such as '4,turn it off'",
    ),
    "after a cell of two lines": ('2,"a\nb"\n3,"play music\n4,turn it off\n', 5, "not closed"),
}


@pytest.mark.parametrize("rows_per_file", [1, 1000])
@pytest.mark.parametrize("kind", SWALLOWING)
def test_a_stray_quote_that_swallows_rows_of_csv_is_refused_by_line(tmp_path, kind, rows_per_file):
    rows, line, said = SWALLOWING[kind]
    after = "".join(f"{number},what time is it\n" for number in range(5, 50))
    (tmp_path / "a.csv").write_text(f"id,text\n1,wake me up\n{rows}{after}")
    with pytest.raises(
        DataError, match=rf"a\.csv, line {line}: a double quote opens a cell .*{said}.*remove that quote"
    ):
        read(tmp_path / "a.csv", rows_per_file=rows_per_file)


def test_rows_that_are_swallowed_are_known_by_repeated_values_too(tmp_path):
    rows = [f"{'xyz'[number % 3]},text {number}" for number in range(30)]
    rows[7], rows[9] = 'y,"text 7', 'x,text 9"'
    (tmp_path / "a.csv").write_text("\n".join(["label,text", *rows]))
    with pytest.raises(DataError, match=r"a\.csv, line 9: .*rows such as 'x,text 9' inside"):
        read(tmp_path / "a.csv", rows_per_file=1000)


def test_cells_of_several_lines_are_no_stray_quotes(tmp_path):
    texts = ["Hi,\nturn it on, please\nThanks,\nA", "1,eggs\n2,milk", 'say "hi,\nyou"\nor, rather\nno', "7,\n8"]
    with (tmp_path / "a.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("id", "text\n(one)"), *enumerate(texts * 20, 40)])
    _, parts = read(tmp_path / "a.csv", rows_per_file=7)
    assert [row["text\n(one)"] for part in parts for row in part] == texts * 20
    assert len(parts) > 1


def test_a_quote_that_swallows_no_row_fails_its_row_alone(tmp_path):
    (tmp_path / "a.csv").write_text('id,text\n1,"play" jazz\n2,say "hi"\n3,"wake me')
    _, (rows,) = read(tmp_path / "a.csv")
    assert [row[READ_ERROR] for row in rows] == ["not CSV", None, "not CSV"]
    assert rows[1]["text"] == 'say "hi"'


def test_an_open_quote_does_not_hold_a_file_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("packlight.scoring.formats.csv_reader.LONGEST_CELL", 1000)
    (tmp_path / "a.csv").write_text('id,text\n1,"wake me\n' + "2,play\n" * 10_000 + '3,"stop"\n')
    with pytest.raises(DataError, match=r"a\.csv, line 2: .*field limit \(1000\)"):
        read(tmp_path / "a.csv", rows_per_file=100_000)


@pytest.mark.parametrize("header", ['id,"text', '"id,text'])
def test_an_open_quote_in_the_header_is_refused(tmp_path, header):
    (tmp_path / "a.csv").write_text(f"{header}\n1,wake me\n2,play\n")
    with pytest.raises(DataError, match=r"a\.csv, line 1: a quote in the header is not closed"):
        read(tmp_path / "a.csv")


def test_a_limit_ends_in_the_middle_of_a_fragment(tmp_path):
    for suffix in ("parquet", "jsonl", "csv.gz"):
        fragments, _ = read(write(tmp_path, f"rows.{suffix}"), limit=130)
        assert sum(each.most for each in fragments) == 130
        assert all(each.rows == each.most for each in fragments)


@pytest.fixture
def lake(tmp_path):
    """Two days of Parquet, with what other tools leave beside it."""
    for day in (1, 2):
        folder = tmp_path / "lake" / f"day={day}"
        folder.mkdir(parents=True)
        for part in ("a", "b"):
            parquet.write_table(pa.table({"text": [f"{part}{day}"]}), folder / f"{part}.parquet")
    (tmp_path / "lake" / "_SUCCESS").touch()
    (tmp_path / "lake" / ".hidden.parquet").touch()
    (tmp_path / "lake" / "README.md").write_text("about")
    return tmp_path / "lake"


@pytest.mark.parametrize(
    ("given", "outputs"),
    [
        (["lake"], ["day=1/a", "day=1/b", "day=2/a", "day=2/b"]),
        (["lake/day=1", "lake/day=2"], ["day=1/a", "day=1/b", "day=2/a", "day=2/b"]),
        (["lake/*/a.parquet"], ["day=1/a", "day=2/a"]),
        (["lake/**/*.parquet"], ["day=1/a", "day=1/b", "day=2/a", "day=2/b"]),
        (["lake/day=2/b.parquet"], ["b"]),
        (["file://PLACE/lake/day=1"], ["a", "b"]),
        (["file://PLACE/lake/**/b.parquet"], ["day=1/b", "day=2/b"]),
        (["local://PLACE/lake"], ["day=1/a", "day=1/b", "day=2/a", "day=2/b"]),
        (["local://PLACE/lake/*/a.parquet"], ["day=1/a", "day=2/a"]),
    ],
)
def test_outputs_lie_as_the_input_does(lake, monkeypatch, given, outputs):
    monkeypatch.chdir(lake.parent)
    fragments, rows = read([each.replace("PLACE", str(lake.parent)) for each in given])
    assert [each.output for each in fragments] == [f"{name}-00000.parquet" for name in outputs]
    visible = [part[0]["text"] for part in rows if part]
    assert len(visible) == len(outputs)
    assert all(text[0] == name[-1] for text, name in zip(visible, outputs, strict=True))


def test_files_that_differ_in_their_suffix_alone_have_outputs_of_their_own(tmp_path):
    (tmp_path / "a.txt").write_text("x\n")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"y\n"))
    fragments, _ = read(tmp_path)
    assert [each.output for each in fragments] == ["a.txt-00000.parquet", "a.txt.gz-00000.parquet"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        (["nowhere/*.csv"], "no files found"),
        (["empty"], "no files found"),
        (["lake", "lake/day=1/a.parquet"], "given twice"),
        (["rows.xlsx"], "unknown kind of file: expected one of .parquet"),
        (["mixed"], r"holds files of several kinds \(1 \w+, 1 \w+\); give a pattern"),
        (["ftx://host/x.csv"], "neither pyarrow nor fsspec can open it"),
        (["bad.parquet"], "is not a readable Parquet file"),
        (["bad.arrow"], "is not a readable Arrow file"),
        (["rows.parquet.gz"], "Parquet is compressed inside; decompress the file"),
        (["array.json"], "is a JSON array: expected JSON Lines"),
        (["wide.csv"], "is in UTF-16; convert it to UTF-8"),
        (["twice.csv"], "has two columns 'a'"),
        (["bad.csv.gz"], "can't be read"),
    ],
)
def test_what_cannot_be_read_is_one_error(lake, monkeypatch, given, said):
    place = lake.parent
    monkeypatch.chdir(place)
    (place / "empty").mkdir()
    (place / "mixed").mkdir()
    files = {
        "mixed/a.csv": b"text\nx\n",
        "mixed/b.txt": b"x\n",
        "rows.xlsx": b"x",
        "bad.parquet": b"PAR1 and no more",
        "bad.arrow": b"no arrow",
        "rows.parquet.gz": gzip.compress(b"x"),
        "array.json": b'[{"text": "x"}]',
        "wide.csv": "text\nx\n".encode("utf-16"),
        "twice.csv": b"a,b,a\n1,2,3\n",
        "bad.csv.gz": b"no gzip",
    }
    for name, content in files.items():
        (place / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read(given)
