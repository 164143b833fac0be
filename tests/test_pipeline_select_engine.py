"""The engine comparison: who takes part, who wins, what is written, and what is said of engines that are not there."""

import json
import shutil

import pytest

from packlight import extras
from packlight.errors import ArtifactError, MeasurementError, ModelError, PacklightError
from packlight.measure.rounds import BenchmarkConfig
from packlight.pipeline import engine_candidates
from packlight.pipeline.engine_candidates import gather
from packlight.pipeline.select_engine import select_engine
from packlight.report.card.sections import engines as engines_section
from packlight.runtime.artifact import Artifact, read_manifest
from packlight.runtime.predictor import Predictor

pytest_plugins = ["tiny_run", "command"]
EFFORT = BenchmarkConfig(rounds=2, texts=4, seconds=0)


@pytest.fixture
def teacher(tiny_run, tmp_path):
    """A float32 torch artifact, to be written to."""
    return shutil.copytree(tiny_run / "variants" / "teacher", tmp_path / "given" / "teacher")


@pytest.fixture
def few_engines(monkeypatch):
    """No compiler and no OpenVINO, as on many machines."""
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in ("openvino", "nncf") else True)
    monkeypatch.setenv("CXX", "no-such-compiler")


@pytest.mark.usefixtures("few_engines")
def test_what_is_missing_is_said_and_the_others_compete(teacher, tiny_run, data, tmp_path):
    static = shutil.copytree(tiny_run / "variants" / "student-onnx-static", tmp_path / "given" / "static")
    out = tmp_path / "best"
    outcome = select_engine(teacher, data, others=[static], out=out, max_accuracy_loss=0.5, threads=1, effort=EFFORT)
    ran = {each.name for each in outcome.engines if each.latency_ms is not None}
    assert ran == {"teacher", "teacher-ort", "teacher-ort-dynamic", "teacher-ort-static", "student-onnx-static"}
    assert 'pip install -e ".[openvino]"' in outcome["teacher-openvino"].note
    assert 'pip install -e ".[openvino]"' in outcome["teacher-openvino-int8"].note
    assert "no no-such-compiler" in outcome["teacher-compiled"].note
    eager = outcome["teacher"]
    assert outcome.baseline == "teacher"
    assert eager.speedup == pytest.approx(1.0)
    assert outcome["teacher-ort"].speedup > 1
    assert outcome["teacher-ort"].val_accuracy == eager.val_accuracy
    low, high = outcome["teacher-ort"].ci95
    assert low <= outcome["teacher-ort"].speedup <= high
    _check_written(outcome, out, static)


def _check_written(outcome, out, static):
    """The winner's manifest has the figures, wherever it is, and the winner answers."""
    winner = Artifact.open(type(out)(outcome.artifact))
    assert winner.path == (static if outcome.winner == "student-onnx-static" else out)
    facts = winner.manifest.facts
    assert facts["engine_selection"]["winner"] == outcome.winner == winner.name
    assert facts["engine_selection"]["machine"] == outcome.machine
    assert [each["name"] for each in facts["engines"]] == [each.name for each in outcome.engines]
    assert Predictor.open(winner.path)("wake me at seven").label in winner.labels
    assert not (out.parent / ".best.work").exists()
    assert f"**{outcome.winner}**" in engines_section(winner)
    assert "| openvino | int8 | did not run |" in engines_section(winner)


def test_a_given_artifact_that_wins_keeps_its_place(teacher, data, tmp_path, monkeypatch):
    monkeypatch.setattr(engine_candidates, "_made", lambda *_: [])
    outcome = select_engine(teacher, data, out=tmp_path / "best", threads=1, effort=EFFORT)
    assert outcome.winner == "teacher"
    assert outcome.artifact == str(teacher)
    assert read_manifest(teacher).facts["engine_selection"]["winner"] == "teacher"
    assert not (tmp_path / "best").exists()


@pytest.mark.parametrize("name", ["student-onnx-int8", "student-torch-int8"])
def test_int8_parents_are_refused_with_what_to_give(tiny_run, data, tmp_path, name):
    with pytest.raises(
        ModelError, match=r"is int8 for .* a float32 torch artifact: give one first, such as the one that"
    ):
        select_engine(tiny_run / "variants" / name, data, out=tmp_path / "best")


def test_two_contestants_of_one_name_are_refused_before_any_is_built(teacher, data, tmp_path, monkeypatch):
    monkeypatch.setattr(engine_candidates, "_made", lambda *_: pytest.fail("built before the check"))
    parent = Artifact.open(teacher)
    with pytest.raises(MeasurementError, match="two candidates are named teacher"):
        gather(parent, [parent], data, tmp_path, threads=1, seed=0)


def test_a_place_that_is_taken_is_refused_before_any_work(teacher, data, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="exists but is not a packlight artifact"):
        select_engine(teacher, data, out=tmp_path / "notes")
    with pytest.raises(ArtifactError, match="is one of the candidates"):
        select_engine(teacher, data, out=teacher)
    assert (tmp_path / "notes" / "diary.txt").read_text() == "mine"


def test_a_loss_that_is_no_share_is_refused(teacher, data, tmp_path):
    with pytest.raises(PacklightError, match=r"max_accuracy_loss 1.5: give a share"):
        select_engine(teacher, data, out=tmp_path / "best", max_accuracy_loss=1.5)


@pytest.mark.parametrize("as_json", [False, True])
def test_the_verb_shows_a_table_or_json(packlight, teacher, tmp_path, monkeypatch, as_json):
    monkeypatch.setattr(
        engine_candidates,
        "_made",
        lambda *_: [engine_candidates.Candidate("x-openvino", "openvino", "fp32", None, "why")],
    )
    csv = tmp_path / "texts.csv"
    from tiny_models import toy_texts  # imports torch

    csv.write_text("text,intent\n" + "".join(f"{text},{label}\n" for text, label in zip(*toy_texts(), strict=True)))
    words = [
        "engines",
        teacher,
        "--data",
        csv,
        "--out",
        tmp_path / "best",
        "--rounds",
        2,
        "--texts",
        4,
        "--seconds",
        0,
        "--threads",
        1,
    ]
    answer = packlight(*words, *(["--json"] if as_json else []))
    assert answer.status == 0, answer.err
    if as_json:
        told = json.loads(answer.out)
        assert told["winner"] == "teacher"
        assert {"engine", "precision", "latency_ms", "speedup", "ci95", "val_accuracy", "note"} <= told["engines"][
            0
        ].keys()
    else:
        assert "→ teacher" in " ".join(answer.out.split())
        assert "x-openvino did not run: why" in answer.out
        assert max(map(len, answer.out.splitlines())) <= 120
