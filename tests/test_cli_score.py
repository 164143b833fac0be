"""`packlight score` on the command line: the summary, the document and what users get wrong."""

import json
from dataclasses import replace

import msgspec
import pyarrow as pa
import pytest
from pyarrow import dataset, parquet

from packlight.measure.environment import describe
from packlight.report.scored import summary
from packlight.runtime.artifact import Artifact
from packlight.scoring.counts import Counts
from packlight.scoring.report import ScoreReport, summarize
from packlight.scoring.settings import Done, JobOptions

pytest_plugins = ["lakes", "command"]


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = ["play jazz", "wake me at six", None, "play jazz", "play " * 600]
    parquet.write_table(
        pa.table({"id": range(5), "day": ["x"] * 5, "query": texts, "label": ["gold"] * 5}), "in.parquet"
    )


@pytest.mark.usefixtures("table")
def test_a_summary_says_what_came_out(packlight, static):
    answer = packlight("score", static, "in.parquet", "--out", "out", "--keep", "id, day", "--workers", 1)
    assert answer.status == 0, answer.err
    lines = [line for line in answer.out.splitlines() if line]
    assert lines[0] == "5 rows in 1 file in out"
    assert lines[1].startswith("labels: ")
    assert lines[2] == "no label for 1 row (1 no text): see the column `error`"
    assert lines[3] == "truncated: 1 text is longer than the model takes"
    assert "texts per second with 1 worker" in lines[4]
    assert lines[4].endswith("25.0% were equal to an earlier text")
    found = dataset.dataset("out").to_table()
    assert found.schema.names == ["id", "day", "label", "score", "out_of_scope", "error"]


def test_an_artifact_that_knows_no_scope_has_no_share_of_it(static):
    artifact = Artifact.open(static)
    unaware = replace(artifact, manifest=msgspec.structs.replace(artifact.manifest, oos_label=None, abstain_below=None))
    assert (artifact.knows_scope, unaware.knows_scope) == (True, False)
    counts = Counts(rows=4, labels={"play_music": 4})
    done = Done(
        number=0, rows_seen=4, began=0.0, ended=1.0, counts=counts, output="a", size=1, sha256="", peak_memory_mb=1.0
    )
    made = {"artifact": "a", "sha256": "", "inputs": ("in",), "out": "out", "options": JobOptions(), "workers": 1}
    made["environment"] = describe(1)
    aware, other = (summary(summarize([done], knows_scope=each, **made))[1] for each in (True, False))
    assert aware == "labels: play_music 100.0%; out of scope 0.0%"
    assert other == "labels: play_music 100.0%"


@pytest.mark.usefixtures("table")
def test_a_sample_says_how_long_all_would_take(packlight, static):
    answer = packlight("score", static, "in.parquet", "--out", "out", "--keep", "id", "--workers", 1, "--sample", 0.7)
    assert answer.status == 0
    assert "all 5 rows would take about 0 s like this; `packlight plan --measured`" in answer.out


@pytest.mark.usefixtures("table")
def test_json_is_the_report_that_lies_beside_the_files(packlight, static, tmp_path):
    answer = packlight("score", static, "in.parquet", "--out", "out", "--prefix", "p_", "--top-k", 2, "--json")
    report = json.loads(answer.out)
    assert set(report) == set(ScoreReport.__struct_fields__)
    assert report == json.loads((tmp_path / "out" / "_report.json").read_text())
    assert (report["rows"], report["failed"], report["truncated"], report["cache_hit_rate"]) == (5, 1, 1, 0.25)
    assert len(report["artifact_sha256"]) == 64
    names = dataset.dataset("out").to_table().schema.names
    assert names[4:] == ["p_label", "p_score", "p_out_of_scope", "p_top", "p_error"]


@pytest.mark.usefixtures("table")
def test_a_dynamic_artifact_is_warned_of_once(packlight, static, monkeypatch):
    real = Artifact.open.__func__

    def dynamic(cls, path):
        artifact = real(cls, path)
        return replace(artifact, manifest=msgspec.structs.replace(artifact.manifest, batch_invariant=False))

    monkeypatch.setattr(Artifact, "open", classmethod(dynamic))
    answer = packlight("score", static, "in.parquet", "--out", "out", "--keep", "id", "--workers", 1)
    assert answer.err.count("its dynamic int8 predictions depend on the batch, so texts run one at a time") == 1


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["in.parquet"], "missing option '--out'"),
        (["--out", "out"], "missing argument 'INPUT'"),
        (["in.parquet", "--out", "out"], "the input has a column 'label', and so has the output"),
        (["in.parquet", "--out", "out", "--keep", "ids"], "in.parquet has no column 'ids'"),
        (["in.parquet", "--out", "out", "--text-column", "id"], "column 'id' is int64, not text"),
        (["in.parquet", "--out", "out", "--keep", "id", "--strict"], "in.parquet, row 3: no text"),
        (["in.parquet", "--out", "out", "--format", "xlsx"], "'xlsx' is not one of 'parquet', 'csv', 'jsonl'"),
        (["in.parquet", "--out", "out", "--sample", "2"], "sample=2.0: give a share above 0"),
        (["nowhere.parquet", "--out", "out"], "nowhere.parquet: no such file or folder"),
    ],
)
def test_a_users_error_is_one_line(packlight, static, words, said):
    answer = packlight("score", static, *words)
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert said in answer.err
    assert answer.err.count("\n") == 1
