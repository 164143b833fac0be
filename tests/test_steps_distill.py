import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from packlight.errors import RecipeError
from packlight.models import mean_pooling
from packlight.models.hf_model import open_classifier, save_classifier
from packlight.models.layers import evenly_spaced_layers, keep_layers
from packlight.steps.distill import apply as distill_apply
from packlight.steps.distill.apply import distill
from packlight.steps.distill.options import Distill
from packlight.steps.inference import logits_of
from packlight.steps.training import teacher_targets
from packlight.steps.training.objectives import distillation_loss
from packlight.steps.training.teacher_targets import TeacherOutputs, cached_answers

STUDENT = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
TEACHER = torch.tensor([[1.0, 0.0], [0.0, 4.0]])
ANSWERS = torch.tensor([0, 1])


def by_hand(student, teacher, label, alpha, temperature):
    """The loss of one text, from the formula in plain numbers."""

    def soft(logits, t):
        powers = [math.exp(value / t) for value in logits]
        return [power / sum(powers) for power in powers]

    hard = -math.log(soft(student, 1)[label])
    p, q = soft(teacher, temperature), soft(student, temperature)
    divergence = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return alpha * hard + (1 - alpha) * temperature**2 * divergence


@pytest.mark.parametrize(("alpha", "temperature"), [(0.5, 2.0), (0.1, 4.0), (0.0, 1.0)])
def test_the_loss_is_that_of_the_formula(alpha, temperature):
    loss = distillation_loss(STUDENT, TEACHER, ANSWERS, alpha=alpha, temperature=temperature)
    first, second = (
        by_hand(STUDENT[row].tolist(), TEACHER[row].tolist(), int(ANSWERS[row]), alpha, temperature) for row in (0, 1)
    )
    assert float(loss) == pytest.approx((first + second) / 2, rel=1e-5)
    weighted = distillation_loss(
        STUDENT, TEACHER, ANSWERS, alpha=alpha, temperature=temperature, weights=torch.tensor([3.0, 1.0])
    )
    assert float(weighted) == pytest.approx((3 * first + second) / 4, rel=1e-5)


def test_with_alpha_one_only_the_labels_count():
    loss = distillation_loss(STUDENT, TEACHER, ANSWERS, alpha=1.0, temperature=3.0)
    torch.testing.assert_close(loss, cross_entropy(STUDENT, ANSWERS))


def test_a_student_that_says_what_the_teacher_says_has_nothing_to_learn():
    assert float(distillation_loss(TEACHER, TEACHER, ANSWERS, alpha=0.0, temperature=2.0)) == pytest.approx(0, abs=1e-7)


def test_the_gradient_flows_to_the_student_only():
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone()
    distillation_loss(student, teacher, ANSWERS, alpha=0.3, temperature=2.0).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


@pytest.mark.parametrize(
    ("count", "held", "chosen"),
    [(1, 6, [0]), (2, 6, [0, 5]), (3, 6, [0, 2, 5]), (3, 12, [0, 6, 11]), (6, 6, [0, 1, 2, 3, 4, 5]), (1, 1, [0])],
)
def test_layers_are_evenly_spaced_from_first_to_last(count, held, chosen):
    assert evenly_spaced_layers(count, held) == chosen


def test_any_number_of_layers_up_to_all_can_be_taken():
    for held in range(1, 30):
        for count in range(1, held + 1):
            assert len(set(evenly_spaced_layers(count, held))) == count


@pytest.mark.parametrize("count", [0, -1, 7])
def test_more_or_less_than_the_teacher_has_is_refused(count):
    with pytest.raises(RecipeError, match="from a teacher with 6"):
        evenly_spaced_layers(count, 6)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "mpnet"])
def test_a_student_is_made_of_the_teachers_layers(classifier_folder, tmp_path, tiny, family):
    teacher = open_classifier(classifier_folder(family))
    student = keep_layers(teacher, [1])
    assert len(mean_pooling.encoder_layers(teacher)) == 2
    (kept,) = mean_pooling.encoder_layers(student)
    origin = mean_pooling.encoder_layers(teacher)[1].state_dict()
    assert all(torch.equal(value, origin[name]) for name, value in kept.state_dict().items())
    assert mean_pooling.is_pooled(student) == mean_pooling.is_pooled(teacher)
    # The smaller model is a checkpoint like any other.
    save_classifier(student, tmp_path / "student", tokenizer_from=classifier_folder(family), max_length=tiny.MAX_LENGTH)
    encoder, texts = tiny.text_encoder(tmp_path / "student"), tiny.toy_texts()[0][:5]
    opened = open_classifier(tmp_path / "student")
    assert torch.equal(logits_of(student, encoder, texts), logits_of(opened, encoder, texts))


def test_taking_all_layers_is_the_teacher_itself(classifier_folder, tiny):
    teacher = open_classifier(classifier_folder("bert"))
    encoder, texts = tiny.text_encoder(classifier_folder("bert")), tiny.toy_texts()[0][:5]
    assert torch.equal(logits_of(teacher, encoder, texts), logits_of(keep_layers(teacher, 2), encoder, texts))


@pytest.mark.parametrize("layers", [[], [2], [-1], [1, 0], [0, 0], 3, 0])
def test_layers_that_the_teacher_lacks_are_refused(classifier_folder, layers):
    with pytest.raises(RecipeError, match="cannot be taken"):
        keep_layers(open_classifier(classifier_folder("bert")), layers)


class Answers:
    """Stands in for `forward_all` and counts how often it is asked."""

    def __init__(self):
        self.times = 0

    def __call__(self, teacher, encoder, texts, **options):  # noqa: ARG002 - the stand-in's contract
        self.times += 1
        return torch.full((len(texts), 2), float(self.times)), torch.full((len(texts), 3), 0.5)


@pytest.fixture
def answers(monkeypatch):
    made = Answers()
    monkeypatch.setattr(teacher_targets, "forward_all", made)
    return made


def test_the_teacher_is_asked_once(answers, classifier_folder, tiny, tmp_path):
    encoder = tiny.text_encoder(classifier_folder("bert"))
    first = cached_answers(None, encoder, ["one", "two"], key="teacher", folder=tmp_path)
    second = cached_answers(None, encoder, ["one", "two"], key="teacher", folder=tmp_path)
    assert answers.times == 1
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert [(each.dtype, each.shape) for each in second] == [(torch.float32, (2, 2)), (torch.float32, (2, 3))]


def test_another_text_order_teacher_or_length_is_asked_anew(answers, classifier_folder, tiny, tmp_path):
    encoder = tiny.text_encoder(classifier_folder("bert"))
    shorter = type(encoder)(classifier_folder("bert") / "tokenizer.json", 8)
    for each, texts, key in (
        (encoder, ["one", "two"], "teacher"),
        (encoder, ["two", "one"], "teacher"),
        (encoder, ["one", "two", "three"], "teacher"),
        (encoder, ["onet", "wo"], "teacher"),
        (encoder, ["one", "two"], "other teacher"),
        (shorter, ["one", "two"], "teacher"),
    ):
        cached_answers(None, each, texts, key=key, folder=tmp_path)
    assert answers.times == 6
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.usefixtures("answers")
def test_students_with_the_same_texts_at_the_start_share_the_answers_to_them(
    classifier_folder, tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(teacher_targets, "PART", 2)
    encoder = tiny.text_encoder(classifier_folder("bert"))
    few = cached_answers(None, encoder, ["one", "two", "three"], key="teacher", folder=tmp_path)[0]
    assert few.tolist() == [[1, 1], [1, 1], [2, 2]]
    more = cached_answers(None, encoder, ["one", "two", "three", "four", "five"], key="teacher", folder=tmp_path)[0]
    assert more.tolist() == [[1, 1], [1, 1], [3, 3], [3, 3], [4, 4]]


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_damaged_cache_is_written_anew(answers, classifier_folder, tiny, tmp_path, content):
    encoder = tiny.text_encoder(classifier_folder("bert"))
    cached_answers(None, encoder, ["one"], key="teacher", folder=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert cached_answers(None, encoder, ["one"], key="teacher", folder=tmp_path)[0].tolist() == [[2.0, 2.0]]
    assert answers.times == 2
    assert np.load(file)["logits"].tolist() == [[2.0, 2.0]]


@pytest.fixture
def classroom(trained_folder, tiny):
    """A trained teacher, its tokenizer, the training data, and the teacher's answers to it."""
    folder: Path = trained_folder("bert")
    teacher, encoder, train_data = open_classifier(folder), tiny.text_encoder(folder), tiny.toy_train_data()
    return teacher, encoder, train_data, logits_of(teacher, encoder, train_data.train_texts)


def test_a_student_learns_what_its_teacher_knows_and_not_the_labels(classroom, tiny, tmp_path):
    teacher, encoder, train_data, answers = classroom
    mistaken = replace(train_data, train_labels=[0] * len(train_data.train_labels))
    student = keep_layers(teacher, 1)
    with torch.no_grad():
        student.classifier.weight.zero_()
    options = tiny.options(Distill, epochs=8, patience=8, alpha=0.0)
    distill(student, encoder, TeacherOutputs(answers), mistaken, options, work=tmp_path, seed=3)
    said = logits_of(student, encoder, train_data.train_texts).argmax(1)
    assert (said == answers.argmax(1)).float().mean() > 0.85


def weights_given(monkeypatch, classroom, tiny, tmp_path, boost):
    teacher, encoder, train_data, answers = classroom
    given = []

    def loss(student, teacher_logits, labels, *, weights, **rest):
        given.append(None if weights is None else dict(zip(labels.tolist(), weights.tolist(), strict=True)))
        return distillation_loss(student, teacher_logits, labels, weights=weights, **rest)

    monkeypatch.setattr(distill_apply, "distillation_loss", loss)
    # A rate so small that the same classes stay weak.
    options = tiny.options(
        Distill, epochs=2, learning_rate=1e-6, head_learning_rate=None, batch_size=56, hard_class_weight=boost
    )
    history = distill(
        keep_layers(teacher, 1), encoder, TeacherOutputs(answers), train_data, options, work=tmp_path, seed=3
    )
    return given, [train_data.labels.index(label) for label, _ in history[0].weak_classes]


def test_weak_classes_weigh_more_after_an_epoch(monkeypatch, classroom, tiny, tmp_path):
    given, weak = weights_given(monkeypatch, classroom, tiny, tmp_path, 2.5)
    assert weak
    assert len(given) == 4
    for batch in given[:2]:
        assert set(batch.values()) == {1.0}
    for batch in given[2:]:
        assert all(weight == (2.5 if label in weak else 1.0) for label, weight in batch.items())
        assert any(label in weak for label in batch)


def test_without_a_boost_nothing_is_weighed(monkeypatch, classroom, tiny, tmp_path):
    given, _ = weights_given(monkeypatch, classroom, tiny, tmp_path, 1.0)
    assert given == [None] * 4
