"""The engine shoot-out: who takes part, who wins, what is written, and what is said of engines that are not there."""

import json
import shutil

import pytest

from packlight import extras
from packlight.data import dataset_from_rows
from packlight.errors import ArtifactError, EngineError, MeasurementError, ModelError, PacklightError
from packlight.measure.rounds import BenchmarkConfig
from packlight.report.card.sections import engines as engines_section
from packlight.runtime.artifact import Artifact, read_manifest
from packlight.runtime.engines import open_engine, torch_compiled
from packlight.runtime.predictor import Predictor
from packlight.shootout import Row, contestants, shoot_out
from packlight.shootout.contestants import gather
from packlight.shootout.result import allowed, choose

pytest_plugins = ["tiny_run", "command"]
EFFORT = BenchmarkConfig(rounds=2, texts=4, seconds=0)


def row(name, ratio, accuracy):
    return Row(name=name, engine="torch", precision="fp32", latency_ms=1.0, speedup=ratio, val_accuracy=accuracy)


MISSING = Row(name="missing", engine="openvino", precision="int8", note="not installed")
FIELD = (row("eager", 1.0, 0.950), row("good", 4.0, 0.945), row("fast", 9.0, 0.940), MISSING)


@pytest.mark.parametrize(("loss", "winner"), [(0.0, "eager"), (0.005, "good"), (0.01, "fast"), (0.5, "fast")])
def test_the_fastest_within_the_loss_wins(loss, winner):
    assert choose(FIELD, loss).name == winner


def test_the_loss_counts_from_the_most_accurate_and_not_from_the_first():
    better = (*FIELD, row("better", 2.0, 0.960))
    assert [each.name for each in allowed(better, 0.012)] == ["eager", "better"]
    assert choose(better, 0.012).name == "better"


def test_of_equally_fast_ones_the_more_accurate_wins():
    assert choose((row("a", 2.0, 0.9), row("b", 2.0, 0.91)), 0.05).name == "b"


def test_without_anyone_who_ran_there_is_no_winner():
    with pytest.raises(MeasurementError, match="the notes of the rows say why"):
        choose((MISSING,), 0.005)


@pytest.fixture(scope="module")
def data(tiny):
    return dataset_from_rows(list(zip(*tiny.toy_texts(), strict=True)), source="tiny")


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
    outcome = shoot_out(teacher, data, others=[static], out=out, max_accuracy_loss=0.5, threads=1, effort=EFFORT)
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
    assert facts["shootout"]["winner"] == outcome.winner == winner.name
    assert facts["shootout"]["machine"] == outcome.machine
    assert [each["name"] for each in facts["engines"]] == [each.name for each in outcome.engines]
    assert Predictor.open(winner.path)("wake me at seven").label in winner.labels
    assert not (out.parent / ".best.work").exists()
    assert f"**{outcome.winner}**" in engines_section(winner)
    assert "| openvino | int8 | did not run |" in engines_section(winner)


def test_a_given_artifact_that_wins_keeps_its_place(teacher, data, tmp_path, monkeypatch):
    monkeypatch.setattr(contestants, "_made", lambda *_: [])
    outcome = shoot_out(teacher, data, out=tmp_path / "best", threads=1, effort=EFFORT)
    assert outcome.winner == "teacher"
    assert outcome.artifact == str(teacher)
    assert read_manifest(teacher).facts["shootout"]["winner"] == "teacher"
    assert not (tmp_path / "best").exists()


def test_a_compiled_winner_is_opened_compiled(teacher, tmp_path):
    made = contestants.make_compiled(Artifact.open(teacher), tmp_path / "compiled", "teacher-compiled")
    assert (made.manifest.engine, made.manifest.parent, made.manifest.step) == ("torch-compiled", "teacher", "compile")
    assert [step["name"] for step in made.manifest.lineage] == ["teacher"]
    with pytest.MonkeyPatch.context() as patch:
        # Compiling takes most of a minute; that the engine asks for it is what is tested here.
        asked = []
        patch.setattr("torch.compile", lambda model, **how: asked.append(how) or model)
        patch.setattr(torch_compiled, "check_compiler", lambda: None)
        engine = open_engine(made, threads=1)
    assert asked == [{"dynamic": True}]
    assert engine.name == "torch-compiled"
    texts = ["wake me at seven", "rain"]
    assert engine.predict(texts) == pytest.approx(open_engine(Artifact.open(teacher), threads=1).predict(texts))


def test_a_compiler_that_fails_is_an_engine_error(teacher, monkeypatch):
    def broken(_model, **_how):
        def fail(**_inputs):
            raise RuntimeError("g++: exec format error\nmore")

        return fail

    monkeypatch.setattr(torch_compiled, "check_compiler", lambda: None)
    monkeypatch.setattr("torch.compile", broken)
    with pytest.raises(EngineError, match=r"torch.compile fails on this machine: g\+\+: exec format error$"):
        torch_compiled.CompiledEngine(Artifact.open(teacher), threads=1)


def test_openvino_answers_like_torch(teacher, data, tmp_path):
    pytest.importorskip("openvino")
    parent = Artifact.open(teacher)
    kept = [each for each in contestants._made(parent, data, tmp_path, 0) if each.name == "teacher-openvino"]
    made = kept[0].artifact
    assert (made.manifest.engine, made.manifest.model_file) == ("openvino", "openvino/model.safetensors")
    assert made.weights_bytes > 0
    texts = list(data.val.texts)
    wanted = open_engine(parent, threads=1).predict(texts)
    engine = open_engine(made, threads=1)
    assert engine.predict(texts) == pytest.approx(wanted, abs=1e-3)
    first = engine.predict(texts[:1])
    engine.predict(texts[1:2])
    assert first == pytest.approx(wanted[:1], abs=1e-3), "an answer must not change with the next one"
    with pytest.raises(EngineError, match="made for openvino, and torch can't open it"):
        open_engine(made, engine="torch")


def test_a_damaged_openvino_file_is_an_artifact_error(tmp_path):
    pytest.importorskip("openvino")
    from packlight.runtime.engines import openvino

    broken = tmp_path / "model.safetensors"
    broken.write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="holds no weights of an OpenVINO graph"):
        openvino._read_weights(broken)


@pytest.mark.parametrize("name", ["student-onnx-int8", "student-torch-int8"])
def test_int8_parents_are_refused_with_what_to_give(tiny_run, data, tmp_path, name):
    with pytest.raises(
        ModelError, match=r"is int8 for .* a float32 torch artifact: give one first, such as the one that"
    ):
        shoot_out(tiny_run / "variants" / name, data, out=tmp_path / "best")


def test_two_contestants_of_one_name_are_refused(teacher, data, tmp_path, monkeypatch):
    monkeypatch.setattr(contestants, "_made", lambda *_: [])
    parent = Artifact.open(teacher)
    with pytest.raises(MeasurementError, match="two contestants are called teacher"):
        gather(parent, [parent], data, tmp_path, threads=1, seed=0)


def test_a_place_that_is_taken_is_refused_before_any_work(teacher, data, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="exists and is no artifact"):
        shoot_out(teacher, data, out=tmp_path / "notes")
    with pytest.raises(ArtifactError, match="takes part itself"):
        shoot_out(teacher, data, out=teacher)
    assert (tmp_path / "notes" / "diary.txt").read_text() == "mine"


def test_a_loss_that_is_no_share_is_refused(teacher, data, tmp_path):
    with pytest.raises(PacklightError, match=r"max_accuracy_loss 1.5: give a share"):
        shoot_out(teacher, data, out=tmp_path / "best", max_accuracy_loss=1.5)


@pytest.mark.parametrize("as_json", [False, True])
def test_the_verb_shows_a_table_or_json(packlight, teacher, tmp_path, monkeypatch, as_json):
    monkeypatch.setattr(
        contestants, "_made", lambda *_: [contestants.Candidate("x-openvino", "openvino", "fp32", None, "why")]
    )
    csv = tmp_path / "texts.csv"
    from tiny_models import toy_texts  # imports torch

    csv.write_text("text,intent\n" + "".join(f"{text},{label}\n" for text, label in zip(*toy_texts(), strict=True)))
    words = ["engines", teacher, "--data", csv, "--out", tmp_path / "best", "--rounds", 2, "--texts", 4, "--threads", 1]
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
