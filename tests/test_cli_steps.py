"""`packlight finetune`, `distill`, `export`, `quantize-onnx`, `quantize-torch` and `measure`: one after the other on a tiny encoder."""

import csv
import json
import shutil

import pytest

from packlight.measure.results import read_measurements
from packlight.runtime.artifact import Artifact

pytest_plugins = ["command"]
VERBS = ("finetune", "distill", "export", "quantize-onnx")


@pytest.fixture(scope="module")
def place(tiny, tmp_path_factory):
    """A folder with the toy texts in a file."""
    folder = tmp_path_factory.mktemp("steps")
    with (folder / "texts.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *zip(*tiny.toy_texts(), strict=True)])
    return folder


@pytest.fixture
def step(packlight, place):
    """Run a step on the toy texts; OUT is below the folder."""

    def call(verb, *words, out):
        return packlight(verb, *words, "--data", place / "texts.csv", "--out", place / "artifacts" / out)

    return call


@pytest.fixture
def chain(step, place, encoder_folder):
    """All the steps, in the folder `artifacts`; made by whichever test comes first."""
    where = place / "artifacts"
    if not (where / "student-static").exists():
        train = ("--epochs", "2", "--max-length", "24", "--learning-rate", "4e-3")
        answers = [
            step("finetune", "--model", encoder_folder("bert"), *train, out="teacher"),
            step("distill", where / "teacher", "--layers", "0,", *train, out="student"),
            step("quantize-torch", where / "student", out="student-torch"),
            step("export", where / "student", out="student-onnx"),
            step("quantize-onnx", where / "student-onnx", "--mode", "dynamic", out="student-dynamic"),
            step("quantize-onnx", where / "student-onnx", out="student-static"),
        ]
        for answer in answers:
            assert answer.status == 0, answer.err
            assert answer.out == ""
            assert answer.err.splitlines()[-1].startswith("artifact: ")
            assert "next: packlight " in answer.err
    return where


def test_each_step_leaves_one_whole_artifact_and_nothing_beside_it(chain):
    names = {"teacher", "student", "student-torch", "student-onnx", "student-dynamic", "student-static"}
    assert {path.name for path in chain.iterdir()} == names
    parents = {name: Artifact.open(chain / name).manifest.parent for name in names}
    assert parents == {
        "teacher": None,
        "student": "teacher",
        "student-torch": "student",
        "student-onnx": "student",
        "student-dynamic": "student-onnx",
        "student-static": "student-onnx",
    }
    assert Artifact.open(chain / "student-static").manifest.options["mode"] == "static"
    assert Artifact.open(chain / "student").manifest.options["layers"] == [0]


def test_a_step_that_is_done_is_not_done_again(chain, step):
    answer = step("export", chain / "student", "--json", out="student-onnx")
    assert "up to date" in answer.err
    document = json.loads(answer.out)
    assert document["made"] is False
    assert document["facts"]["parity"]["label_agreement"] == 1.0


def test_artifacts_are_measured_side_by_side(chain, packlight, place):
    words = ["measure", chain / "student-onnx", chain / "student-static", "--data", place / "texts.csv"]
    words += ["--out", place / "measured", "--rounds", "2", "--seconds", "0", "--texts", "4", "--threads", "1"]
    answer = packlight(*words)
    assert answer.status == 0
    assert "warning" not in answer.err
    rows = read_measurements(place / "measured").measurements
    assert [row.variant for row in rows] == ["student-onnx", "student-static"]
    assert rows[1].p_value_vs_parent is not None
    assert rows[0].rounds == 2
    assert rows[0].latency_samples >= 2 * 4
    assert all(row.variant in answer.out for row in rows)
    assert packlight(*words).err.startswith("measurements: up to date")
    assert json.loads(packlight(*words, "--json").out)["baseline"] == "student-onnx"


def test_texts_that_were_perhaps_trained_on_are_warned_of(chain, packlight, place):
    words = ["measure", chain / "student-onnx", "--data", place / "texts.csv", "--seed", "7", "--out", place / "other"]
    answer = packlight(*words, "--rounds", "2", "--texts", "1", "--seconds", "0", "--threads", "1")
    assert answer.status == 0
    assert "warning: student-onnx was built from different texts or a different split" in answer.err


def test_any_fine_tuned_classifier_is_exported(step, trained_folder, place):
    answer = step("export", trained_folder("distilbert"), out="adopted-onnx")
    assert answer.status == 0, answer.err
    artifact = Artifact.open(place / "artifacts" / "adopted-onnx")
    assert [each["step"] for each in artifact.manifest.lineage] == ["finetune"]
    assert not list((place / "artifacts").glob(".*"))
    shutil.rmtree(artifact.path)


def check_error(answer, said):
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.splitlines()[-1].startswith("error: ")
    assert said in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("verb", "words", "said"),
    [
        ("quantize-onnx", ["student"], "is torch, but quantize-onnx starts from onnx; run `packlight export"),
        ("quantize-torch", ["student-onnx"], "is onnx, but quantize-torch starts from torch"),
        ("quantize-torch", ["student", "--embeddings", "int4"], "no such option: --embeddings"),
        (
            "quantize-onnx",
            ["student-onnx", "--calibration-texts", "few"],
            "'few' was given, but it must be a whole number",
        ),
        ("quantize-onnx", ["student-onnx", "--min-agreement", "2"], "min-agreement"),
        ("export", ["student", "--tolerance", "-1"], "tolerance"),
        ("export", ["student-static"], "give the variant that it was made from (student-onnx)"),
        ("distill", ["student-onnx"], "is onnx, but distill starts from torch"),
        ("distill", ["teacher", "--layers", "0,9"], "layers [0, 9] cannot be taken: give increasing indices from 0 to"),
        ("distill", ["teacher", "--layers", "many"], "'many' was given, but it must be a whole number"),
        ("distill", ["teacher", "--layers", "0"], "'0' was given, but it must be a whole number of at least 1"),
        ("distill", ["teacher", "--alpha", "2"], "alpha"),
        ("distill", ["teacher", "--temperature", "0"], "temperature"),
        ("distill", ["teacher", "--student", "/nowhere"], "/nowhere"),
        ("export", ["teacher", "--opset", "3"], "opset"),
        ("export", ["nowhere"], "nowhere"),
        ("quantize-onnx", ["student-onnx", "--mode", "int4"], "'int4' is not one of"),
    ],
)
def test_a_users_error_is_one_line(chain, step, verb, words, said):
    answer = step(verb, chain / words[0], *words[1:], out="refused")
    check_error(answer, said)
    assert answer.err.count("error: ") == 1
    assert not (chain / "refused").exists()
    shutil.rmtree(chain / ".refused.work", ignore_errors=True)


def test_what_was_refused_leaves_nothing(chain, step):
    step("quantize-onnx", chain / "student", out="refused")
    assert not list(chain.glob(".*"))


def test_options_of_a_step_reach_it(chain, packlight, tmp_path, place):
    words = ("--embeddings", "int4", "--calibration", "percentile", "--min-agreement", "0.5", "--no-per-channel")
    read = ("--data", place / "texts.csv", "--label-column", "label")
    answer = packlight("quantize-onnx", chain / "student-onnx", *words, *read, "--out", tmp_path / "small")
    assert answer.status == 0, answer.err
    done = Artifact.open(tmp_path / "small").manifest.options
    wanted = {"embeddings": "int4", "calibration": "percentile", "min_agreement": 0.5, "per_channel": False}
    assert {name: done[name] for name in wanted} == wanted
    answer = packlight("export", chain / "student", "--tolerance", "0.01", *read, "--out", tmp_path / "onnx")
    assert answer.err.splitlines()[-1].endswith(
        f"quantize-onnx {tmp_path / 'onnx'} --data {read[1]} --label-column label --out {tmp_path / 'onnx-int8'}"
    )


def test_other_texts_than_the_parents_are_warned_of(chain, packlight, tmp_path, place):
    answer = packlight(
        "quantize-onnx", chain / "student-onnx", "--data", place / "texts.csv", "--seed", "5", "--out", tmp_path / "x"
    )
    assert answer.status == 0
    assert "warning: student-onnx was built from different texts" in answer.err
    answer = packlight("quantize-onnx", chain / "student-onnx", "--data", place / "texts.csv", "--out", tmp_path / "y")
    assert "warning" not in answer.err


def test_so_many_epochs_are_so_many(chain):
    assert len(Artifact.open(chain / "student").manifest.facts["epochs"]) == 2


@pytest.mark.parametrize("verb", VERBS)
def test_without_the_extra_there_is_its_install_line(verb, chain, step, monkeypatch):
    monkeypatch.setattr("packlight.extras.installed", lambda name: name != "torch")
    origin = [] if verb == "finetune" else [chain / "student"]
    check_error(step(verb, *origin, out="refused"), 'pip install -e ".[compress]"')


@pytest.mark.parametrize(
    ("data", "words", "said"),
    [
        ("missing.csv", [], "there is no missing.csv"),
        ("texts.csv", ["--text-column", "question"], "question"),
        ("texts.csv", ["--oos-label", "none-of-them"], "none-of-them"),
        ("empty.csv", [], "empty.csv"),
    ],
)
def test_data_that_cannot_be_used_is_one_line(packlight, place, monkeypatch, data, words, said):
    monkeypatch.chdir(place)
    (place / "empty.csv").write_text("")
    answer = packlight("finetune", "--data", data, *words, "--out", "artifacts/refused")
    check_error(answer, said)
    assert answer.err.count("\n") == 1


def test_a_folder_of_ones_own_is_never_replaced(step, place, chain, encoder_folder):
    (place / "artifacts" / "thesis").mkdir()
    (place / "artifacts" / "thesis" / "chapter").write_text("one")
    check_error(
        step("finetune", "--model", encoder_folder("bert"), out="thesis"), "exists but is not a packlight artifact"
    )
    assert (place / "artifacts" / "thesis" / "chapter").read_text() == "one"
    shutil.rmtree(place / "artifacts" / "thesis")
    shutil.rmtree(place / "artifacts" / ".thesis.work", ignore_errors=True)
    check_error(step("export", chain / "student", out="student"), "is the artifact that the step starts from")
    Artifact.open(chain / "student")


def test_artifacts_of_one_name_are_told_apart_by_hand(chain, packlight):
    answer = packlight("measure", chain / "student-onnx", chain / "student-onnx")
    check_error(answer, "are both named")


def test_an_altered_artifact_is_not_measured(chain, packlight, tmp_path, place):
    altered = shutil.copytree(chain / "student-onnx", tmp_path / "student-onnx")
    (altered / "tokenizer.json").write_text("{}")
    check_error(packlight("measure", altered, "--data", place / "texts.csv"), "tokenizer.json was altered")
