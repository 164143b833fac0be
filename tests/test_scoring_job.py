"""A whole job: worker processes, kills and resumption, and what its output's folder holds."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec

import psutil
import pyarrow as pa
import pytest
from pyarrow import csv, dataset, parquet

import packlight
from lakes import hashes, write_texts
from packlight.errors import ArtifactError, DataError, MissingExtraError, PacklightError
from packlight.progress import watching
from packlight.runtime.predictor import Predictor
from packlight.scoring.counts import Counts
from packlight.scoring.fragment_job import windows_of
from packlight.scoring.job import JOURNAL
from packlight.scoring.report import _covered
from packlight.scoring.writers import output_file

pytest_plugins = ["lakes"]
ROWS_PER_FILE = 2000


@pytest.fixture(scope="module")
def lake(random_texts, tmp_path_factory):
    """Two files of 12,000 and 3,500 texts, some of them equal, some of them null."""
    folder = tmp_path_factory.mktemp("lake")
    for seed, (name, rows) in enumerate((("a", 12_000), ("b", 3_500))):
        texts = random_texts(rows, seed=seed)
        texts[5] = None
        write_texts(folder / f"{name}.parquet", texts, row_group_size=5000)
    return folder


@pytest.fixture(scope="module")
def scored(static, lake, tmp_path_factory):
    """The lake, scored without interruption by one worker, and its report."""
    out = tmp_path_factory.mktemp("whole") / "out"
    return out, packlight.score(static, lake, out, workers=1, rows_per_file=ROWS_PER_FILE)


def test_every_row_comes_out_once_with_the_predictors_label(static, lake, scored):
    out, report = scored
    given = dataset.dataset(lake).to_table().to_pydict()
    found = dataset.dataset(out).to_table().to_pydict()
    assert found["id"] == given["id"]
    assert found["text"] == given["text"]
    places = [place for place, text in enumerate(given["text"]) if text is not None]
    said = Predictor.open(static).predict([given["text"][place] for place in places])
    assert [found["label"][place] for place in places] == [each.label for each in said]
    assert [place for place, error in enumerate(found["error"]) if error == "no text"] == [5, 12_005]
    assert report.rows == 15_500
    assert report.files == len(hashes(out)) == 3 + 3 + 1 + 2  # row groups of 5,000, 5,000, 2,000 and 3,500 rows
    assert (report.failed, report.errors) == (2, {"no text": 2})
    assert report.out_of_scope == pytest.approx(sum(each.out_of_scope for each in said) / len(said))
    assert sum(report.labels.values()) == 15_498
    assert list(report.labels.values()) == sorted(report.labels.values(), reverse=True)
    assert 0 < report.cache_hit_rate < 1
    assert json.loads((out / "_report.json").read_text())["rows"] == 15_500


STOPPING = """
import os, signal, sys
from packlight.__main__ import main
from packlight.scoring.job import JobFolder
record, files = JobFolder.record, int(sys.argv.pop(1))
def record_and_stop(folder, done):
    record(folder, done)
    if len(folder.done) == files:
        os.kill(os.getpid(), signal.SIGSTOP)
JobFolder.record = record_and_stop
main()
"""
"""the command, which stops itself when so many files are complete: no job is over before something is done to it"""


def start(static, lake, out, *options, stops_at=0):
    """Start a job; with `stops_at`, wait until it has stopped itself at that number of files."""
    words = ["score", str(static), str(lake), "--out", str(out), "--rows-per-file", str(ROWS_PER_FILE), *options]
    command = [sys.executable, "-c", STOPPING, str(stops_at), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if stops_at:
        how = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert how.si_code == os.CLD_STOPPED, process.communicate()
    return process


def ended(process):
    """What it wrote, after it went on to its end."""
    process.send_signal(signal.SIGCONT)
    return process.communicate()


def test_killed_again_and_again_it_ends_with_the_same_bytes(static, lake, scored, tmp_path):
    """With other numbers of workers, too; kills leave half-written files and a journal that is cut short."""
    out = tmp_path / "out"
    for workers, files in ((2, 1), (1, 3), (2, 6)):
        process = start(static, lake, out, "--workers", str(workers), stops_at=files)
        process.kill()
        process.communicate()
    (out / ".a-00003.parquet.abcdefgh.draft").write_bytes(b"half")
    with (out / JOURNAL).open("ab") as journal:
        journal.write(b'{"type":"done","num')
    before = len((out / JOURNAL).read_bytes().split(b"\n")) - 1
    process = start(static, lake, out, "--workers", "2", "--json")
    output, said = process.communicate()
    assert process.returncode == 0, said
    assert f"{before} of 9 files are complete already" in said
    assert hashes(out) == hashes(scored[0])
    report = json.loads(output)
    assert {name: report[name] for name in ("rows", "labels", "failed", "out_of_scope", "cache_hit_rate")} == {
        name: getattr(scored[1], name) for name in ("rows", "labels", "failed", "out_of_scope", "cache_hit_rate")
    }
    assert not list(out.glob(".*.draft"))


def server_and_workers(process):
    """The process that workers are forked from, and the workers."""
    (server,) = psutil.Process(process.pid).children()
    return server, server.children()


def test_a_worker_that_is_killed_ends_the_job_and_it_can_be_resumed(static, lake, scored, tmp_path):
    out = tmp_path / "out"
    process = start(static, lake, out, "--workers", "1", stops_at=1)
    _, (worker,) = server_and_workers(process)
    worker.send_signal(signal.SIGKILL)
    _, said = ended(process)
    assert process.returncode == 2
    assert "a worker was killed by SIGKILL, possibly because memory ran out" in said
    assert "Run the same command again to resume." in said
    packlight.score(static, lake, out, workers=1, rows_per_file=ROWS_PER_FILE)
    assert hashes(out) == hashes(scored[0])


def test_workers_end_with_the_process_that_started_them(static, lake, tmp_path):
    process = start(static, lake, tmp_path / "out", "--workers", "2", stops_at=1)
    server, workers = server_and_workers(process)
    threads = server.num_threads()
    mapped = [library.path for each in workers for library in each.memory_maps()]
    process.kill()
    process.communicate()
    assert threads == 1  # a process with more must not fork
    assert find_spec("pandas") is not None
    assert any("/pyarrow/" in path for path in mapped)
    assert not any("/pandas/" in path for path in mapped)  # it would double the start
    gone, alive = psutil.wait_procs([server, *workers], timeout=20)
    assert len(gone) == 3
    assert not alive


def test_the_command_gets_by_without_the_process_that_forked_its_workers(static, lake, scored, tmp_path):
    """It may be the one that the system kills when memory is short; the workers know all they need."""
    out = tmp_path / "out"
    process = start(static, lake, out, "--workers", "2", stops_at=1)
    server, workers = server_and_workers(process)
    server.send_signal(signal.SIGKILL)
    _, said = ended(process)
    assert process.returncode == 0, said
    assert hashes(out) == hashes(scored[0])
    assert not psutil.wait_procs(workers, timeout=20)[1]


def test_without_forks_each_worker_starts_by_itself(static, lake, scored, tmp_path, monkeypatch):
    """As on macOS and Windows."""
    monkeypatch.setattr("packlight.scoring.workers.FORKS", False)
    report = packlight.score(static, lake, tmp_path / "out", workers=2, rows_per_file=ROWS_PER_FILE)
    assert report.workers == 2
    assert hashes(tmp_path / "out") == hashes(scored[0])


def test_a_complete_output_is_not_scored_again_and_a_lost_file_is(static, lake, scored, tmp_path, capsys):
    out = tmp_path / "out"
    packlight.score(static, lake, out, workers=1, rows_per_file=ROWS_PER_FILE)
    times = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    (out / "b-00001.parquet").unlink()
    report = packlight.score(static, lake, out, workers=2, rows_per_file=ROWS_PER_FILE)
    assert "8 of 9 files are complete already" in capsys.readouterr().err
    changed = [path.name for path, before in times.items() if path.stat().st_mtime_ns != before]
    assert changed == ["b-00001.parquet"]
    assert hashes(out) == hashes(scored[0])
    assert (report.rows, report.files) == (15_500, 9)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"top_k": 2}, r"its top_k was 1 and is 2 now"),
        ({"keep": ["id"]}, "its keep was not given and is id now"),
        ({"sample": 0.5}, r"its sample was not given and is 0.5 now"),
        ({"artifact": "other"}, "its artifact was a different one"),
        ({"inputs": "a.parquet"}, "its input differs in 1 file, such as .*b.parquet"),
        ({"touch": True}, "its input differs in 1 file, such as .*a.parquet"),
    ],
)
def test_the_output_of_another_job_is_refused(static, frontier_run, tmp_path, change, said):
    inputs = tmp_path / "lake"
    inputs.mkdir()
    for name in ("a", "b"):
        parquet.write_table(pa.table({"id": [1, 2], "text": ["play", "wake me"]}), inputs / f"{name}.parquet")
    packlight.score(static, inputs, tmp_path / "out", workers=1)
    given = {"artifact": static, "inputs": inputs} | {key: value for key, value in change.items() if key != "touch"}
    if given["artifact"] == "other":
        given["artifact"] = frontier_run / "variants" / "static"
    if given["inputs"] == "a.parquet":
        given["inputs"] = inputs / "a.parquet"
    if "touch" in change:
        os.utime(inputs / "a.parquet")
    before = hashes(tmp_path / "out")
    with pytest.raises(PacklightError, match=f"holds the output of another job .{said}.; give another --out"):
        packlight.score(out=tmp_path / "out", workers=1, **given)
    assert hashes(tmp_path / "out") == before


def test_other_folders_are_refused(static, lake, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    for out, said in (
        (tmp_path / "mine", "not empty, and not the output of `packlight score`"),
        (lake / "out", "is inside the input folder"),
        ("s3://bucket/out", "give a folder on a local disk"),
    ):
        with pytest.raises(PacklightError, match=said):
            packlight.score(static, lake, out)
    assert [path.name for path in (tmp_path / "mine").iterdir() if path.name != ".lock"] == ["thesis.txt"]


def test_two_jobs_do_not_share_a_folder(static, lake, tmp_path):
    process = start(static, lake, tmp_path / "out", "--workers", "1", stops_at=1)
    with pytest.raises(PacklightError, match="locked by another process"):
        packlight.score(static, lake, tmp_path / "out", rows_per_file=ROWS_PER_FILE)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_every_output_format_has_the_same_rows(static, tmp_path, kind):
    rows = [{"id": 1, "text": 'play "jazz",\nloud', "tags": ["a"]}, {"id": 2, "text": None, "tags": None}]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    out = tmp_path / "out"
    packlight.score(static, tmp_path / "rows.parquet", out, format=kind, top_k=2, workers=1)
    (file,) = out.glob(f"rows-00000.{kind}")
    expected = Predictor.open(static).predict([rows[0]["text"]], top_k=2)[0]
    if kind == "parquet":
        first, second = parquet.read_table(file).to_pylist()
    elif kind == "jsonl":
        first, second = map(json.loads, file.read_text().splitlines())
    else:
        options = csv.ConvertOptions(strings_can_be_null=True)
        parse = csv.ParseOptions(newlines_in_values=True)
        first, second = csv.read_csv(file, convert_options=options, parse_options=parse).to_pylist()
        first |= {name: json.loads(first[name]) for name in ("tags", "top")}
    assert (first["id"], first["text"], first["tags"]) == (1, rows[0]["text"], ["a"])
    assert (first["label"], first["out_of_scope"], first["error"]) == (expected.label, expected.out_of_scope, None)
    assert [each["label"] for each in first["top"]] == [each.label for each in expected.top]
    assert first["score"] == pytest.approx(expected.score, abs=1e-6)
    assert [second[name] for name in ("id", "label", "top", "error")] == [2, None, None, "no text"]


def test_bytes_that_are_not_utf8_stop_no_writer(static, tmp_path):
    column = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, 4], pa.int32()).buffers()[1], pa.py_buffer(b"caf\xe9")]
    )
    parquet.write_table(pa.table({"text": column}), tmp_path / "rows.parquet")
    for kind in ("parquet", "csv", "jsonl"):
        report = packlight.score(static, tmp_path / "rows.parquet", tmp_path / kind, format=kind, workers=1)
        assert report.errors == {"not UTF-8": 1}
    assert json.loads((tmp_path / "jsonl" / "rows-00000.jsonl").read_text())["text"] == "caf\ufffd"
    assert '"caf\ufffd",,,,"not UTF-8"' in (tmp_path / "csv" / "rows-00000.csv").read_text()


NANOSECOND = 1_700_000_000_123_456_789
INVALID = pa.array([b"caf\xe9, s'il te plait", b"b", None])
AWKWARD = {
    "bytes": (INVALID, '"caf\ufffd, s\'il te plait"', "Y2Fm6SwgcydpbCB0ZSBwbGFpdA=="),
    "a view of bytes": (INVALID.cast(pa.binary_view()), '"caf\ufffd, s\'il te plait"', "Y2Fm6SwgcydpbCB0ZSBwbGFpdA=="),
    "a view of strings": (
        INVALID.view(pa.string()).cast(pa.string_view()),
        '"caf\ufffd, s\'il te plait"',
        "caf\ufffd, s'il te plait",
    ),
    "a dictionary": (
        INVALID.view(pa.string()).dictionary_encode(),
        '"caf\ufffd, s\'il te plait"',
        "caf\ufffd, s'il te plait",
    ),
    "bytes of one length": (pa.array([b"a\xff"], pa.binary(2)), '"a\ufffd"', "Yf8="),
    "a list of strings": (
        pa.ListArray.from_arrays(pa.array([0, 1]), INVALID.view(pa.string())),
        '"[""caf\ufffd, s\'il te plait""]"',
        ["caf\ufffd, s'il te plait"],
    ),
    "nanoseconds": (
        pa.array([NANOSECOND], pa.timestamp("ns")),
        "2023-11-14 22:13:20.123456789",
        "2023-11-14T22:13:20.123456789",
    ),
    "nanoseconds of a zone": (
        pa.array([NANOSECOND], pa.timestamp("ns", "+01:00")),
        None,
        "2023-11-14T23:13:20.123456789+01:00",
    ),
    "nanoseconds of UTC": (pa.array([-1], pa.timestamp("ns", "UTC")), None, "1969-12-31T23:59:59.999999999Z"),
    "a duration": (pa.array([-NANOSECOND], pa.duration("ns")), str(-NANOSECOND), "-P19675DT80000.123456789S"),
    "a time of day": (pa.array([1], pa.time64("ns")), "00:00:00.000000001", "00:00:00.000000001"),
    "a struct": (
        pa.array([{"at": NANOSECOND}], pa.struct([("at", pa.timestamp("ns"))])),
        '"{""at"":""2023-11-14T22:13:20.123456789""}"',
        {"at": "2023-11-14T22:13:20.123456789"},
    ),
    "a far date": (pa.array([1 << 39], pa.timestamp("s")), "19391-01-25 12:18:08", 1 << 39),
}


@pytest.mark.parametrize("kind", AWKWARD)
def test_no_cell_stops_a_writer(tmp_path, kind):
    column, as_csv, as_json = AWKWARD[kind]
    batch = pa.RecordBatch.from_arrays([column], ["cell"])
    for suffix in ("csv", "jsonl", "parquet"):
        with output_file(tmp_path / f"a.{suffix}", suffix, batch.schema) as (writer, _):
            writer.write(batch)
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])["cell"] == as_json
    assert as_csv is None or (tmp_path / "a.csv").read_text().splitlines()[1] == as_csv


def test_a_file_whose_texts_are_numbers_is_refused_by_name(static, tmp_path):
    lake = tmp_path / "lake"
    lake.mkdir()
    parquet.write_table(pa.table({"text": ["play", "wake me"]}), lake / "a.parquet")
    parquet.write_table(pa.table({"text": pa.nulls(2)}), lake / "b.parquet")
    assert packlight.score(static, lake, tmp_path / "out", workers=1).errors == {"no text": 2}
    parquet.write_table(pa.table({"text": [1, 2]}), lake / "c.parquet")
    with pytest.raises(
        DataError, match=r"c\.parquet: column 'text' is int64, not text: expected strings, or bytes in UTF"
    ):
        packlight.score(static, lake, tmp_path / "again", workers=1)


def test_strict_stops_at_the_first_bad_row_and_names_it(static, lake, tmp_path):
    with pytest.raises(DataError, match=r"a\.parquet, row 6: no text; without --strict"):
        packlight.score(static, lake / "a.parquet", tmp_path / "out", strict=True, workers=1)
    assert not hashes(tmp_path / "out")


def test_progress_ends_at_the_rows_that_there_are(static, tmp_path):
    """The rows of text files are an estimate until a file is complete."""
    lines = ["play", *["wake me up at seven in the morning and then play some jazz"] * 3000]
    (tmp_path / "rows.txt").write_text("\n".join(lines))
    seen = []
    with watching(lambda stage, done, total: seen.append((stage, done, total))):
        packlight.score(static, tmp_path / "rows.txt", tmp_path / "out", workers=1, rows_per_file=500)
    assert {stage for stage, *_ in seen} == {"scoring rows"}
    assert seen[-1][1:] == (3001, 3001)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert all(done <= total for _, done, total in seen)


def test_limit_and_sample_score_a_part(static, lake, tmp_path):
    first = packlight.score(static, lake, tmp_path / "limit", limit=2500, rows_per_file=ROWS_PER_FILE, workers=2)
    assert (first.rows, first.input_rows) == (2500, 2500)
    found = dataset.dataset(tmp_path / "limit").to_table()["id"].to_pylist()
    assert found == list(range(2500))
    samples = [
        packlight.score(static, lake, tmp_path / f"{n}", sample=0.1, workers=1, rows_per_file=n)
        for n in (2000, 2000.0)[:1]
    ]
    assert samples[0].input_rows == 15_500
    assert 1250 < samples[0].rows < 1850
    ids = dataset.dataset(tmp_path / "2000").to_table()["id"].to_pylist()
    assert len(set(ids)) > 1200
    assert max(ids) > 10_000


def test_a_file_without_rows_has_an_output_without_rows(static, tmp_path):
    parquet.write_table(
        pa.table({"text": pa.array([], pa.string()), "id": pa.array([], pa.int64())}), tmp_path / "none.parquet"
    )
    (tmp_path / "none.csv").write_text("text,id\n")
    for name in ("none.parquet", "none.csv"):
        report = packlight.score(static, tmp_path / name, tmp_path / f"out-{name}", keep=["id"], workers=1)
        assert (report.rows, report.labels, report.out_of_scope, report.cache_hit_rate) == (0, {}, None, None)


def test_what_a_worker_refuses_is_the_callers_error(static, lake, tmp_path):
    (tmp_path / "rows.csv").write_text("text\nplay\n")
    (tmp_path / "other.csv").write_text("words\nplay\n")
    with pytest.raises(DataError, match=r"other\.csv: no column 'text'; the columns are 'words'"):
        packlight.score(static, [tmp_path / "rows.csv", tmp_path / "other.csv"], tmp_path / "out", workers=1)
    (tmp_path / "other.csv").write_text("text\nplay\n")
    (tmp_path / "rows.csv").write_text("text,id\nplay,1\n")
    with pytest.raises(DataError, match=r"other\.csv: no column 'id'; the columns are 'text'"):
        packlight.score(
            static, [tmp_path / "rows.csv", tmp_path / "other.csv"], tmp_path / "kept", keep=["id"], workers=1
        )
    with pytest.raises(ArtifactError, match="not an artifact"):
        packlight.score(lake, lake, tmp_path / "none")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"top_k": 0}, "top_k=0"),
        ({"limit": 0}, "limit=0"),
        ({"sample": 0}, "sample=0"),
        ({"sample": 1.5}, "sample=1.5"),
        ({"format": "xlsx"}, "format='xlsx'"),
        ({"workers": 0}, "workers=0"),
        ({"workers": 0, "inputs": "nowhere"}, "workers=0"),
        ({"workers": 0, "engine": "ray"}, "workers=0"),
        ({"cache_texts": -1}, "cache_texts=-1"),
        ({"text_column": "txt"}, "has no column 'txt': .*did you mean 'text'"),
        ({"text_column": "id"}, "column 'id' is int64, not text"),
        ({"keep": ["day"]}, "has no column 'day'"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(static, lake, tmp_path, wrong, said):
    with pytest.raises(PacklightError, match=said):
        packlight.score(**({"artifact": static, "inputs": lake, "out": tmp_path / "out"} | wrong))
    assert not (tmp_path / "out").exists()


def test_without_pyarrow_the_install_line_is_given(static, lake, tmp_path, monkeypatch):
    monkeypatch.setattr("packlight.scoring.installed", lambda _: False)
    with pytest.raises(MissingExtraError, match=r'packlight score needs pyarrow: pip install -e "\.\[score\]"'):
        packlight.score(static, lake, tmp_path / "out")


@pytest.mark.parametrize("kind", [pa.binary(), pa.binary_view(), pa.list_(pa.binary())])
def test_a_window_of_large_cells_has_few_rows(monkeypatch, kind):
    monkeypatch.setattr("packlight.scoring.fragment_job.WINDOW_BYTES_OF_ALL", 200_000)
    cells = pa.array([b"x" * 2000] * 512)
    if pa.types.is_list(kind):
        cells = pa.ListArray.from_arrays(pa.array(range(513), pa.int32()), cells)
    wide = pa.record_batch({"text": ["play"] * 512, "image": cells.cast(kind)})
    windows = list(windows_of([wide.slice(0, 30), wide.slice(0, 0), wide.slice(30)], "text"))
    assert sum(each.num_rows for each in windows) == 512
    assert all(10 < each.num_rows <= 100 for each in windows)
    huge = pa.record_batch({"text": ["play"] * 3, "image": [b"x" * 300_000] * 3})
    assert [each.num_rows for each in windows_of([huge], "text")] == [1, 1, 1]


def test_a_window_of_small_cells_has_many_rows():
    words = pa.array([f"word {number}" * 100 for number in range(2000)]).dictionary_encode()
    narrow = pa.record_batch({"text": ["play"] * 2000, "word": words})
    assert [each.num_rows for each in windows_of([narrow] * 10, "text")] == [18_000, 2000]
    assert list(windows_of([narrow.slice(0, 0)], "text")) == []


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    batch = pa.record_batch({"text": ["a"]})

    def fail():
        with output_file(tmp_path / "x.parquet", "parquet", batch.schema) as (writer, _):
            writer.write(batch)
            assert not (tmp_path / "x.parquet").exists()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())
    with output_file(tmp_path / "x.parquet", "parquet", batch.schema) as (writer, written):
        writer.write(batch)
    assert written.sha256 == hashlib.sha256((tmp_path / "x.parquet").read_bytes()).hexdigest()
    assert written.size == (tmp_path / "x.parquet").stat().st_size


def test_counts_add_up_and_time_counts_once():
    one = Counts(rows=3, labels={"a": 2}, errors={"null": 1}, inferences=1)
    both = one + Counts(rows=2, labels={"a": 1, "b": 1}, inferences=2, truncated=1)
    assert (both.rows, both.labels, both.failed, both.truncated) == (5, {"a": 3, "b": 1}, 1, 1)
    assert both.cache_hit_rate == pytest.approx(1 - 3 / 4)
    assert _covered([(0, 2), (1, 3), (10, 11), (10.2, 10.5)]) == 4
    assert _covered([]) == 0
