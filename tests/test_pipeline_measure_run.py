"""Measuring artifacts that are there: when figures count as up to date, references beside them, adopted classifiers."""

import json
import shutil

import msgspec
import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from packlight.data import dataset_from_rows
from packlight.errors import MeasurementError, MissingExtraError, ModelError
from packlight.measure.results import read_measurements, read_raw
from packlight.measure.rounds import BenchmarkConfig
from packlight.models.hf_model import open_classifier, save_classifier
from packlight.pipeline import measure_run as measuring
from packlight.pipeline import reference_rows, run
from packlight.pipeline.measure_run import measure_run
from packlight.pipeline.reference_rows import RANDOM
from packlight.recipes.overrides import with_head
from packlight.recipes.recipe import parse_recipe
from packlight.runtime.artifact import Artifact, BetterThreads

pytest_plugins = ["tiny_run", "loopback_hub"]
EFFORT = BenchmarkConfig(rounds=2, texts=4, seconds=0)
NAMES = ("teacher-onnx", "student-onnx-static")
SPELLING = {"alarm": "Alarm", "music": "MU SIC", "oos": "oos", "weather": "wea-ther"}


@pytest.fixture
def artifacts(tiny_run, tmp_path):
    """Two ONNX artifacts, to be written to."""
    found = {}
    for name in NAMES:
        shutil.copytree(tiny_run / "variants" / name, tmp_path / "artifacts" / name)
        found[name] = Artifact.open(tmp_path / "artifacts" / name)
    return found


@pytest.fixture(autouse=True)
def on_one_processor(monkeypatch):
    """Trying several threads takes time in which nothing else here is tested."""
    monkeypatch.setattr(measuring, "cpu_budget", lambda: 1)


@pytest.fixture
def measure(artifacts, data, tmp_path):
    def call(**other):
        settings = {"references": (), "threads": 1, "seed": 0, "effort": EFFORT} | other
        return measure_run(settings.pop("artifacts", artifacts), data, tmp_path / "out", **settings)

    return call


@pytest.fixture(scope="module")
def measured_once(tiny_run, data, tmp_path_factory):
    """What measuring the two artifacts leaves, in a folder that each test copies."""
    folder = tmp_path_factory.mktemp("measured")
    for name in NAMES:
        shutil.copytree(tiny_run / "variants" / name, folder / "artifacts" / name)
    artifacts = {name: Artifact.open(folder / "artifacts" / name) for name in NAMES}
    measurements, _ = measure_run(artifacts, data, folder / "out", references=(), threads=1, seed=0, effort=EFFORT)
    return folder, measurements


@pytest.fixture
def first(measured_once, artifacts, tmp_path):
    """The measurements that stand in the folder where `measure` measures."""
    folder, measurements = measured_once
    for name, artifact in artifacts.items():
        shutil.copytree(folder / "artifacts" / name, artifact.path, dirs_exist_ok=True)
    shutil.copytree(folder / "out", tmp_path / "out")
    return measurements


def test_rows_are_those_asked_for_in_their_order(measure, tmp_path):
    measurements, anew = measure()
    assert anew
    assert [row.variant for row in measurements.measurements] == list(NAMES)
    assert measurements.baseline == NAMES[0]
    assert measurements.measurements[0].speedup == 1.0
    assert measurements == read_measurements(tmp_path / "out")
    row = measurements[NAMES[1]]
    assert row.parent == "student-onnx"
    assert row.p_value_vs_parent is None, "the parent was not measured beside it"
    assert row.artifact == str(tmp_path / "artifacts" / NAMES[1])


def test_figures_and_card_come_to_the_artifact(measure, artifacts):
    measurements, _ = measure()
    again = Artifact.open(artifacts[NAMES[0]].path)
    assert again.manifest.measurement["figures"]["accuracy"] == measurements[NAMES[0]].accuracy
    assert again.manifest.measurement["environment"]["cpu"] == measurements.environment.cpu
    assert "## Measured" in (again.path / "README.md").read_text()


def test_the_better_number_of_threads_comes_to_the_artifact(measure, artifacts, monkeypatch):
    monkeypatch.setattr(measuring, "cpu_budget", lambda: 2)
    measurements, _ = measure()
    for name in NAMES:
        trial = measurements[name].all_threads
        assert trial.threads == 2
        known = Artifact.open(artifacts[name].path).manifest.threads
        assert known == BetterThreads(requests=trial.better, batches=trial.better_in_batches)
    monkeypatch.setattr(measuring, "cpu_budget", lambda: 1)
    assert not measure()[1], "what is known of two processors stays known"
    measurements, _ = measure(remeasure=True)
    assert measurements[NAMES[0]].all_threads is None
    assert Artifact.open(artifacts[NAMES[0]].path).manifest.threads is None


def test_nothing_is_measured_twice(measure, first):
    again, anew = measure()
    assert (again, anew) == (first, False)


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"threads": 2}, {"effort": BenchmarkConfig(rounds=2, texts=5, seconds=0)}]
)
def test_other_settings_are_measured_and_the_first_ones_go_by_their_own_journal(measure, first, other, tmp_path):
    between, anew = measure(**other)
    assert anew
    again, anew = measure()
    assert anew, "what lies in the folder is of other settings"
    assert [row.latency_ms for row in again.measurements] == [row.latency_ms for row in first.measurements]
    assert [row.latency_ms for row in again.measurements] != [row.latency_ms for row in between.measurements]
    assert read_measurements(tmp_path / "out") == again


@pytest.mark.parametrize(
    "lost", ["measurements.json", "report.md", "plot.svg", "raw/teacher-onnx.json", "raw/_test.json", "raw/_val.json"]
)
def test_what_is_lost_is_written_again_from_the_journal(measure, first, tmp_path, lost):
    (tmp_path / "out" / lost).unlink()
    again, _ = measure()
    assert (tmp_path / "out" / lost).is_file()
    # `first` was measured in the folder that was copied.
    moved = [
        msgspec.structs.replace(row, artifact=str(tmp_path / "artifacts" / row.variant)) for row in first.measurements
    ]
    assert list(again.measurements) == moved


@pytest.mark.usefixtures("first")
def test_a_new_processor_or_library_is_measured_anew(measure, monkeypatch):
    monkeypatch.setattr("packlight.measure.environment.cpu_name", lambda: "another processor")
    measurements, anew = measure()
    assert anew
    assert measurements.environment.cpu == "another processor"


def test_another_artifact_of_the_same_name_is_measured_anew(measure, first, artifacts):
    static = artifacts["student-onnx-static"]
    measurements, anew = measure(artifacts={"student-onnx-static": static})
    assert anew
    assert len(measurements.measurements) == 1
    assert first.baseline != measurements.baseline


def test_again_measures_anew(measure, first):
    second, anew = measure(remeasure=True)
    assert anew
    assert [row.latency_ms for row in second.measurements] != [row.latency_ms for row in first.measurements]
    assert measure() == (second, False)


def test_a_noisy_time_is_not_called_up_to_date_without_a_word(measure, monkeypatch, capsys):
    monkeypatch.setattr("packlight.measure.timing.Estimate.stable", False)
    measure()
    measure()
    assert "not known to within 5%" in capsys.readouterr().err


def test_artifacts_that_cannot_be_written_to_are_measured_all_the_same(measure, monkeypatch, capsys):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("packlight.pipeline.measure_run.write_manifest", refuse)
    measurements, _ = measure()
    assert len(measurements.measurements) == 2
    assert "its model card is unchanged (Permission denied)" in capsys.readouterr().err


def test_without_the_plotting_library_there_are_figures_and_no_plot(measure, monkeypatch, capsys, tmp_path):
    def refuse(*_, **__):
        raise MissingExtraError('plots need vl_convert: pip install -e ".[report]"')

    monkeypatch.setattr("packlight.pipeline.measure_run.write_report", refuse)
    monkeypatch.setattr("packlight.pipeline.measure_run.installed", lambda name: name != "vl_convert")
    measurements, _ = measure()
    assert measurements[NAMES[0]].accuracy
    assert ".[report]" in capsys.readouterr().err
    assert not (tmp_path / "out" / "plot.png").exists()
    assert measure()[1] is False


def test_a_variant_that_lacks_the_datas_labels_is_refused(artifacts, tmp_path):
    rows = [(f"text {label} {number}", label) for label in ("alarm", "travel") for number in range(9)]
    with pytest.raises(ModelError, match=r"lacks 1 of .*\(travel\)"):
        measure_run(
            artifacts, dataset_from_rows(rows), tmp_path, references=(), threads=1, seed=0, effort=EFFORT
        )  # fmt: skip
    with pytest.raises(MeasurementError):
        read_measurements(tmp_path)


@pytest.fixture
def tiny_references(tiny, monkeypatch):
    """References of the real kinds and of a tiny size."""

    def config(name):
        kind = {"bert-base": "bert", "distilbert": "distilbert"}[name]
        sizes = {tiny.OTHER_NAMES[size]: n for size, n in tiny.SIZES.items()} if kind == "distilbert" else tiny.SIZES
        return {"model_type": kind, "vocab_size": tiny.VOCABULARY, "max_position_embeddings": 512, **sizes}

    monkeypatch.setattr(reference_rows, "reference_config", config)


def accuracy_of(folder, data):
    """Counted with transformers alone; labels compared without regard to case and separators."""
    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    right = []
    for text, label in data.test:
        with torch.inference_mode():
            best = int(model(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).logits.argmax())
        fold = str.maketrans("", "", " -_")
        right.append(model.config.id2label[best].translate(fold).lower() == label.translate(fold).lower())
    return float(np.mean(right))


@pytest.fixture(scope="module")
def other_spelling(tiny):
    """The toy data with other labels' names, and so another order of them."""
    texts, labels = tiny.toy_texts()
    return dataset_from_rows([(text, SPELLING[label]) for text, label in zip(texts, labels, strict=True)])


@pytest.mark.usefixtures("tiny_references")
def test_references_are_measured_fully_from_the_hub_and_for_speed_without_one(
    hub, trained_folder, artifacts, other_spelling, tmp_path
):
    trained = trained_folder("distilbert")
    hub.model("transformersbook/distilbert-base-uncased-finetuned-clinc", trained)
    measurements, _ = measure_run(
        {"teacher-onnx": artifacts["teacher-onnx"]},
        other_spelling,
        tmp_path / "out",
        references=("bert-base", "distilbert"),
        threads=1,
        seed=0,
        effort=EFFORT,
    )
    random, real, own = measurements.measurements
    assert measurements.baseline == random.variant == "bert-base"
    assert random.note == RANDOM
    assert random.accuracy is random.macro_f1 is random.oos_recall is None
    assert read_raw(tmp_path / "out", "bert-base").predictions is None
    assert random.latency_ms.mean > 0
    assert random.size_mb > random.weights_mb > 0

    assert real.note is None
    assert real.artifact is None
    assert real.engine == "pipeline"
    assert real.accuracy == pytest.approx(accuracy_of(trained, other_spelling))
    assert real.accuracy > 0.7
    assert real.oos_recall is not None
    assert own.accuracy == pytest.approx(accuracy_of_artifact(artifacts["teacher-onnx"], other_spelling))
    assert not (tmp_path / "out" / "work" / "references").exists()


def accuracy_of_artifact(artifact, data):
    from packlight import Predictor  # beside its use

    predictor = Predictor.open(artifact.path)
    back = {new: old for old, new in SPELLING.items()}
    return float(np.mean([predictor(text).label == back[label] for text, label in data.test]))


@pytest.mark.usefixtures("tiny_references")
def test_a_reference_of_other_labels_is_measured_for_speed_alone(hub, trained_folder, tiny_run, tmp_path):
    hub.model("transformersbook/distilbert-base-uncased-finetuned-clinc", trained_folder("distilbert"))
    data = dataset_from_rows([(f"{label} {number}", label) for label in ("alarm", "travel") for number in range(9)])
    reference = reference_rows.prepare("distilbert", data, tiny_run / "variants" / "teacher", tmp_path / "reference")
    assert not reference.trained
    assert reference.note == RANDOM
    config = json.loads((reference.folder / "config.json").read_text())
    assert sorted(config["label2id"]) == ["alarm", "travel"]


def test_a_reference_has_a_tokenizer_of_its_own_where_the_runs_knows_more_pieces(
    hub, monkeypatch, data, tiny, tiny_run, tmp_path
):
    assert hub.repos == {}
    small = {"model_type": "bert", "vocab_size": 200, "max_position_embeddings": 64, **tiny.SIZES}
    monkeypatch.setattr(reference_rows, "reference_config", lambda _: small)
    reference = reference_rows.prepare("bert-base", data, tiny_run / "variants" / "teacher", tmp_path / "reference")
    tokens = AutoTokenizer.from_pretrained(reference.folder)("wake me at seven", return_tensors="pt")
    assert 2 < tokens["input_ids"].shape[1] < 20
    assert int(tokens["input_ids"].max()) < 200
    assert open_classifier(reference.folder)(**tokens).logits.shape == (1, 4)
    assert {path.name for path in reference.folder.iterdir()} == {
        "config.json", "model.safetensors", "reference.json", "tokenizer.json", "tokenizer_config.json"
    }  # fmt: skip


def test_an_adopted_classifier_keeps_its_answers_under_the_datas_names(trained_folder, other_spelling, tmp_path):
    trained = trained_folder("bert")
    model = open_classifier(trained)
    # Another order of the outputs than the data's, and than the one it was trained in.
    order = [2, 0, 3, 1]
    names = [model.config.id2label[place] for place in order]
    with torch.no_grad():
        model.classifier.weight.copy_(model.classifier.weight[order].clone())
        model.classifier.bias.copy_(model.classifier.bias[order].clone())
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: place for place, name in enumerate(names)}
    save_classifier(model, tmp_path / "stranger", tokenizer_from=trained, max_length=24)

    recipe = parse_recipe("{version: 1, name: adopt, steps: [{step: finetune, as: model}, {step: export, as: onnx}]}")
    outcome = run(other_spelling, recipe, tmp_path / "run", model=str(tmp_path / "stranger"), threads=1, effort=EFFORT)
    expected = accuracy_of(trained, other_spelling)
    assert expected > 0.7
    for row in outcome.measurements.measurements:
        assert row.accuracy == pytest.approx(expected)
    adopted = Artifact.open(tmp_path / "run" / "variants" / "model")
    assert adopted.labels == tuple(SPELLING[name] for name in names)
    assert "epochs" not in adopted.manifest.facts, "nothing was trained"
    assert adopted.manifest.facts["started_from"] == str(tmp_path / "stranger")


def test_another_classifiers_encoder_gets_a_new_head_only_on_purpose(trained_folder, tmp_path):
    rows = [
        (f"{verb} {number}", label)
        for label, verb in (("buy", "get me"), ("sell", "get rid of"))
        for number in range(20)
    ]
    recipe = parse_recipe("{version: 1, name: n, steps: [{step: finetune, as: m, epochs: 1, max_length: 24}]}")
    given = {"model": str(trained_folder("bert")), "threads": 1, "effort": EFFORT}
    with pytest.raises(ModelError, match="labels don't match") as refused:
        run(dataset_from_rows(rows), recipe, tmp_path, **given)
    for words in ("alarm, music, oos, weather", "buy, sell", "--label-map", "--new-head"):
        assert words in str(refused.value)
    assert not (tmp_path / "variants").exists(), "refused before any work"
    outcome = run(dataset_from_rows(rows), with_head(recipe, new_head=True), tmp_path, **given)
    assert Artifact.open(tmp_path / "variants" / "m").labels == ("buy", "sell")
    assert outcome.measurements["m"].accuracy > 0.5
