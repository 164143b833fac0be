"""`DistillationTrainer`, and the snippets that must run as they stand."""

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from packlight import DistillationConfig, DistillationTrainer, PerformanceBenchmark, Predictor
from packlight.errors import ArtifactError, DataError, ModelError, RecipeError
from packlight.models.hf_model import open_classifier, save_classifier
from packlight.runtime.golden import verify

pytest_plugins = ["loopback_hub"]


@pytest.fixture(scope="module")
def rows(tiny):
    return [{"text": text, "intent": label} for text, label in zip(*tiny.toy_texts(), strict=True)]


@pytest.fixture(scope="module")
def teacher_folder(trained_folder):
    return trained_folder("bert")


def as_list(rows):
    return rows


def as_dataset(rows):
    names = sorted({row["intent"] for row in rows})
    from datasets import ClassLabel, Dataset, Features, Value  # a second that collecting tests need not wait for

    features = Features({"text": Value("string"), "intent": ClassLabel(names=names)})
    return Dataset.from_list([{**row, "intent": names.index(row["intent"])} for row in rows], features=features)


def as_object(folder, _hub, _name):
    return AutoModelForSequenceClassification.from_pretrained(folder)


def as_folder(folder, _hub, _name):
    return str(folder)


def as_hub_id(folder, hub, name):
    hub.model(f"org/{name}", folder)
    return f"org/{name}"


@pytest.mark.parametrize(("as_model", "as_rows"), [(as_object, as_list), (as_folder, as_dataset), (as_hub_id, as_list)])
def test_the_snippets_run_as_they_stand(hub, teacher_folder, classifier_folder, rows, as_rows, as_model):
    train_dataset, test_dataset = as_rows(rows[:104]), as_rows(rows[120:])
    model_name_or_path = str(teacher_folder)
    teacher_model = as_model(teacher_folder, hub, "teacher")
    student_model = as_model(classifier_folder("bert"), hub, "student")

    bench = PerformanceBenchmark(model_name_or_path, task="text-classification").benchmark(test_dataset)
    assert set(bench) == {"model_size", "avg_latency", "accuracy"}

    config = DistillationConfig(teacher_model=teacher_model, student_model=student_model,
                                alpha=0.5, temperature=2.0, epochs=3, learning_rate=5e-5)  # fmt: skip
    trainer = DistillationTrainer(config); trainer.train(train_dataset); metrics = trainer.evaluate(test_dataset)  # fmt: skip  # noqa: E702

    assert 0.25 <= metrics["accuracy"] <= 1
    assert 0 < metrics["macro_f1"] <= 1
    assert set(metrics["per_class"]) == {"alarm", "music", "oos", "weather"}
    assert len(trainer.history) == 3

    distilled_model = trainer.student
    quantized_model = torch.quantization.quantize_dynamic(distilled_model, {nn.Linear}, dtype=torch.qint8)
    tokenizer = AutoTokenizer.from_pretrained(teacher_folder)
    int8 = PerformanceBenchmark(quantized_model, tokenizer=tokenizer).benchmark(test_dataset)
    fp32 = PerformanceBenchmark(distilled_model, tokenizer=tokenizer).benchmark(test_dataset)
    assert fp32["accuracy"] == pytest.approx(metrics["accuracy"])
    assert int8["model_size"] < fp32["model_size"]


def quick(teacher, **other):
    options = {"alpha": 0.5, "epochs": 2, "learning_rate": 4e-3, "batch_size": 16}
    return DistillationTrainer(DistillationConfig(teacher_model=teacher, **(options | other)))


def test_a_student_of_the_teachers_layers_learns_from_it(teacher_folder, rows, tmp_path):
    trainer = quick(teacher_folder, layers=(0,))
    before = {name: value.clone() for name, value in trainer.teacher.state_dict().items()}
    history = trainer.train(rows[:104], rows[104:])
    # The mean pooling is a layer of its own on top.
    assert trainer.student.config.num_hidden_layers == trainer.teacher.config.num_hidden_layers - 1
    assert history[-1].accuracy > 0.8
    assert trainer.evaluate(rows[104:])["accuracy"] == pytest.approx(max(epoch.accuracy for epoch in history))
    assert all(torch.equal(value, before[name]) for name, value in trainer.teacher.state_dict().items())

    saved = trainer.save(tmp_path / "student")
    again = AutoModelForSequenceClassification.from_pretrained(saved).eval()
    tokens = AutoTokenizer.from_pretrained(saved)(rows[0]["text"], return_tensors="pt")
    with torch.inference_mode():
        assert torch.allclose(again(**tokens).logits, trainer.student(**tokens).logits, atol=1e-4)
    with pytest.raises(ArtifactError, match="exists already"):
        trainer.save(saved)


def test_a_saved_student_is_an_artifact(teacher_folder, rows, tmp_path):
    trainer = quick(teacher_folder, layers=(0,), epochs=2)
    trainer.train(rows[:104], rows[104:])
    predictor = Predictor.open(trainer.save(str(tmp_path / "student")))
    verify(predictor.artifact.path)  # raises unless it answers its golden texts
    manifest = predictor.artifact.manifest
    assert (manifest.step, manifest.engine, manifest.oos_label) == ("distill", "torch", "oos")
    assert manifest.options["layers"] == [0]
    predicted = [each.label for each in predictor.predict([row["text"] for row in rows[104:]])]
    right = [label == row["intent"] for label, row in zip(predicted, rows[104:], strict=True)]
    assert sum(right) / len(right) == pytest.approx(trainer.evaluate(rows[104:])["accuracy"])


@pytest.mark.parametrize("family", ["distilbert", "roberta"])
def test_a_student_of_another_family_has_its_own_tokenizer(teacher_folder, encoder_folder, rows, family, tmp_path):
    trainer = quick(teacher_folder, student_model=encoder_folder(family), epochs=3)
    trainer.train(rows[:104])
    assert trainer.evaluate(rows[104:])["accuracy"] > 0.6
    assert PerformanceBenchmark(trainer.save(tmp_path / "student")).benchmark(rows[104:])["accuracy"] > 0.6


def test_the_trained_model_is_given_back_as_it_came(teacher_folder, rows):
    student = open_classifier(teacher_folder)
    forward = type(student).forward
    trainer = quick(teacher_folder, student_model=student, tokenizer=teacher_folder, epochs=1)
    trainer.train(rows[:104])
    assert trainer.student is student
    assert student.forward.__func__ is forward, "autocast stayed around the model"
    assert "forward" not in vars(student)
    assert not student.training
    assert {parameter.dtype for parameter in student.parameters()} == {torch.float32}
    assert all(parameter.requires_grad for parameter in student.parameters())


def test_a_teacher_object_answers_without_dropout(teacher_folder):
    teacher = AutoModelForSequenceClassification.from_pretrained(teacher_folder).train()
    trainer = quick(teacher, layers=1)
    assert not trainer.teacher.training


@pytest.mark.parametrize("form", ["object", "folder"])
def test_a_model_object_from_memory_is_given_its_tokenizer(teacher_folder, rows, form, tmp_path):
    teacher = open_classifier(teacher_folder)
    teacher.config._name_or_path = teacher.name_or_path = ""
    with pytest.raises(ModelError, match="tokenizer="):
        DistillationTrainer(DistillationConfig(teacher_model=teacher))
    tokenizer = AutoTokenizer.from_pretrained(teacher_folder)
    if form == "folder":
        # A tokenizer's own folder, without any model.
        tokenizer.save_pretrained(tmp_path / "tokenizer")
        tokenizer = tmp_path / "tokenizer"
    trainer = quick(teacher, layers=1, tokenizer=tokenizer, epochs=1)
    trainer.train(rows[:104])
    assert trainer.evaluate(rows[104:])["accuracy"] > 0.4


def test_a_tenth_of_the_training_rows_watches_the_training(teacher_folder, rows, capsys):
    trainer = quick(teacher_folder, layers=1, epochs=1)
    (epoch,) = trainer.train(rows[:104])

    assert f"student, epoch 1: val {epoch.accuracy:.1%}" in capsys.readouterr().err
    assert 0 <= epoch.accuracy <= 1
    assert len(epoch.per_class) == 4


def test_nothing_is_asked_of_a_student_that_is_not_there(teacher_folder, rows):
    trainer = quick(teacher_folder)
    with pytest.raises(ModelError, match="train"):
        trainer.evaluate(rows)
    with pytest.raises(ModelError, match="train"):
        trainer.save("nowhere")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"alpha": 1.5}, RecipeError, "alpha"),
        ({"temperature": 0.0}, RecipeError, "temperature"),
        ({"epochs": 0}, RecipeError, "epochs"),
    ],
)
def test_values_out_of_range_are_refused_at_once(teacher_folder, options, error, words):
    with pytest.raises(error, match=words):
        quick(teacher_folder, **options)


def test_layers_that_the_teacher_lacks_are_refused(teacher_folder, rows):
    with pytest.raises(RecipeError, match="layers"):
        quick(teacher_folder, layers=(0, 7)).train(rows)
    with pytest.raises(RecipeError, match="9 layers"):
        quick(teacher_folder, layers=9).train(rows)


def test_a_teacher_must_be_a_classifier(encoder_folder):
    with pytest.raises(ModelError, match="packlight finetune"):
        quick(encoder_folder("bert"))


def test_labels_that_the_teacher_lacks_are_refused(teacher_folder, rows):
    with pytest.raises(ModelError, match=r"lacks 1 of the data's 5 labels \(travel\)"):
        quick(teacher_folder).train([*rows, *({"text": f"fly {where}", "intent": "travel"} for where in ("up", "on"))])


def test_a_student_with_other_labels_is_refused(teacher_folder, rows, tmp_path):
    other = open_classifier(teacher_folder)
    other.config.id2label = dict(enumerate(["music", "alarm", "oos", "weather"]))
    save_classifier(other, tmp_path / "other", tokenizer_from=teacher_folder, max_length=24)
    with pytest.raises(ModelError, match="id2label"):
        quick(teacher_folder, student_model=tmp_path / "other").train(rows)


def test_rows_without_a_label_are_refused(teacher_folder):
    with pytest.raises(DataError):
        quick(teacher_folder).train([{"text": "hello"}])
