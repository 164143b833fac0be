"""Attention relations between a teacher and a student."""

import numpy as np
import pytest
import torch

from packlight.errors import RecipeError
from packlight.models.hf_model import open_classifier
from packlight.models.layers import keep_layers
from packlight.steps.distill.apply import distill
from packlight.steps.distill.options import Distill
from packlight.steps.inference import logits_of
from packlight.steps.training.attention_relations import StudentRelations, TeacherRelations, check_relations_known
from packlight.steps.training.teacher_targets import TeacherOutputs

FAMILIES = ("bert", "roberta", "distilbert", "electra")


def distance(student, teacher, encoder, texts, rows):
    relations = TeacherRelations(teacher, encoder, texts)
    tokens = encoder.pad([encoder.ids(texts)[row] for row in rows])
    with StudentRelations(student) as watched:
        student(input_ids=torch.from_numpy(tokens.input_ids), attention_mask=torch.from_numpy(tokens.attention_mask))
        return watched.distance(relations, rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_is_at_no_distance_from_itself_and_at_some_from_another(classifier_folder, tiny, family):
    model, encoder = open_classifier(classifier_folder(family)), tiny.text_encoder(classifier_folder(family))
    texts, rows = tiny.toy_texts()[0][:8], [5, 0, 3]
    assert distance(model, model, encoder, texts, rows).item() == pytest.approx(0, abs=1e-6)
    other = open_classifier(classifier_folder(family))
    with torch.no_grad():
        for parameter in other.base_model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    far = distance(other, model, encoder, texts, rows)
    assert far.item() > 1e-4
    far.backward()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in other.parameters())


def test_the_distance_is_that_of_the_formula(classifier_folder, tiny):
    teacher, student = open_classifier(classifier_folder("bert")), open_classifier(classifier_folder("bert"))
    with torch.no_grad():
        student.bert.encoder.layer[1].attention.self.key.weight.mul_(0.3)
    encoder, text = tiny.text_encoder(classifier_folder("bert")), "wake me at seven"
    tokens = encoder([text])
    parts = []
    for model in (teacher, student):
        with torch.no_grad():
            out = model.bert(input_ids=torch.from_numpy(tokens.input_ids), output_hidden_states=True)
            before = out.hidden_states[1]
            own = model.bert.encoder.layer[1].attention.self
            parts.append([each(before)[0].numpy() for each in (own.query, own.key, own.value)])
    total, count = 0.0, 0
    for wanted, given in zip(*parts, strict=True):
        for head in range(12):
            columns = slice(2 * head, 2 * head + 2)  # 32 columns make 12 heads of 2
            p, q = (softmax(each[:, columns] @ each[:, columns].T / 2**0.5) for each in (wanted, given))
            total += (p * np.log(p / q)).sum()
            count += len(p)
    found = distance(student, teacher, encoder, [text], [0])
    assert found.item() == pytest.approx(total / count, rel=1e-3)


def softmax(scores):
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_padding_does_not_count(classifier_folder, tiny):
    teacher, student = open_classifier(classifier_folder("bert")), open_classifier(classifier_folder("bert"))
    with torch.no_grad():
        student.bert.encoder.layer[1].attention.self.key.weight.mul_(0.3)
    encoder, texts = tiny.text_encoder(classifier_folder("bert")), ["alarm", "play the song queen and then more music"]
    lengths = [len(row) for row in encoder.ids(texts)]
    alone = [distance(student, teacher, encoder, texts, [row]).item() for row in (0, 1)]
    together = distance(student, teacher, encoder, texts, [0, 1]).item()
    assert together == pytest.approx(np.average(alone, weights=lengths), rel=1e-3)


def test_another_tokenizer_is_refused(classifier_folder, tiny):
    teacher = open_classifier(classifier_folder("bert"))
    encoder = tiny.text_encoder(classifier_folder("bert"))
    relations = TeacherRelations(teacher, encoder, ["wake me at seven"])
    with StudentRelations(teacher) as watched:
        teacher(input_ids=torch.tensor([[2, 5, 3]]), attention_mask=torch.ones(1, 3, dtype=torch.long))
        with pytest.raises(RecipeError, match="same tokenizer"):
            watched.distance(relations, [0])


def test_unknown_architectures_and_narrow_models_are_refused(classifier_folder):
    with pytest.raises(RecipeError, match="the attention of 'mpnet' is not supported"):
        check_relations_known(open_classifier(classifier_folder("mpnet")))
    model = open_classifier(classifier_folder("bert"))
    model.config.hidden_size = 8
    with pytest.raises(RecipeError, match="at least 12 hidden units, the model has 8"):
        TeacherRelations(model, None, [])


def test_relations_are_what_a_student_learns_when_nothing_else_counts(classifier_folder, tiny, tmp_path):
    folder = classifier_folder("bert")
    teacher, encoder, train_data = open_classifier(folder), tiny.text_encoder(folder), tiny.toy_train_data(train=32)
    student = keep_layers(teacher, [1])
    before = distance(student, teacher, encoder, train_data.train_texts, [0, 1, 2]).item()
    options = tiny.options(
        Distill, epochs=3, patience=3, alpha=0.0, temperature=0.01, relation_weight=30.0, learning_rate=1e-2
    )
    targets = TeacherOutputs(
        logits_of(teacher, encoder, train_data.train_texts),
        relations=TeacherRelations(teacher, encoder, train_data.train_texts),
    )
    distill(student, encoder, targets, train_data, options, work=tmp_path, seed=1)
    assert distance(student, teacher, encoder, train_data.train_texts, [0, 1, 2]).item() < 0.9 * before
