"""What a student is taught with: files of answers, unlabelled texts, several teachers."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from packlight.errors import DataError, ModelError, RecipeError
from packlight.models import resolve
from packlight.models.hf_model import open_classifier
from packlight.pipeline.variant import make_variant, open_parent
from packlight.recipes.recipe import parse_recipe
from packlight.steps.context import StepContext
from packlight.steps.distill.options import Distill
from packlight.steps.inference import logits_of
from packlight.steps.step import check_options
from packlight.steps.training.soft_labels import read_answers
from packlight.steps.training.teacher_targets import student_training_data, teacher_outputs

LABELS = ("alarm", "music")


@pytest.fixture
def answers(tmp_path):
    """Write a file of answers and read it."""

    def read(name, content, labels=LABELS):
        (tmp_path / name).write_text(content, newline="")
        return read_answers(tmp_path / name, labels)

    return read


def test_answers_are_read_from_csv_and_jsonl_alike(answers):
    comma = answers("a.csv", 'text,music,alarm\n"wake me, please",0.2,0.6\nplay,1,\n\n" a ""b""\nc ",0.5,0.5\n')
    lines = answers(
        "a.jsonl",
        '\ufeff{"text": "wake me, please", "probabilities": {"music": 0.2, "alarm": 0.6}, "more": 1}\n\n'
        '{"text": "play", "probabilities": {"music": 1}}\n{"text": "a \\"b\\"\\nc", "probabilities": {"alarm": 1, "music": 1}}\n',
    )
    assert comma.keys() == lines.keys() == {"wake me, please", "play", 'a "b"\nc'}
    for found in (comma, lines):
        assert found["wake me, please"] == pytest.approx([0.75, 0.25])
        assert found["play"] == [0, 1]
        assert found['a "b"\nc'] == pytest.approx([0.5, 0.5])


def test_line_separators_inside_a_text_are_part_of_it(answers):
    row = json.dumps({"text": "one\u2028two\x85three", "probabilities": {"music": 1}}, ensure_ascii=False)
    assert list(answers("a.jsonl", row)) == ["one\u2028two\x85three"]


def test_labels_are_the_same_in_every_form_of_unicode(answers):
    one, two = "caf\xe9", "cafe\u0301"
    for own in (one, two):
        for given in (one, two, f" {two} "):
            assert answers("a.csv", f"text,{given},tea\nx,0.25,0.75\n", ("tea", own)) == {"x": [0.75, 0.25]}
            row = json.dumps({"text": "x", "probabilities": {given: 1}})
            assert answers("a.jsonl", row, ("tea", own)) == {"x": [0, 1]}
    with pytest.raises(DataError, match="line 2: names a label twice"):
        answers("a.csv", f"text,{one},{two}\nx,0.5,0.5\n", ("tea", one))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", "", r"a\.jsonl: no rows"),
        ("a.csv", "text,alarm\n", "no rows"),
        ("a.csv", "query,alarm\nx,1\n", "has no column `text`"),
        ("a.csv", "text,alarm,musci\nx,1,0\n", "line 2: 'musci' is not a label of the data"),
        ("a.csv", "text,alarm\nx,1\ny,many\n", "line 3: could not convert string to float: 'many'"),
        ("a.csv", "text,alarm\nx,1\n\ny,0\n", "line 4: probabilities must be numbers from 0 to 1, not all 0"),
        ("a.csv", "text,alarm\nx,1,5\n", "line 2: has more cells"),
        ("a.csv", "text,alarm,alarm\nx,1,0\n", "has several columns 'alarm'"),
        ("a.csv", 'text,alarm\nx,1\n"' + "y" * 140000 + '",1\n', "after line 2: field larger"),
        ("a.jsonl", '\n{"text": "x", "probabilities": {"alarm": -1}}', "line 2: probabilities must be"),
        ("a.jsonl", '{"text": "x", "probabilities": {"alarm": 80, "music": 20}}', "line 1: probabilities must be"),
        ("a.jsonl", '{"text": "x", "probabilities": {}}', "line 1: probabilities must be"),
        ("a.jsonl", '{"text": "x"}', r'line 1: .*expected \{"text"'),
        ("a.jsonl", "text,alarm", "line 1"),
    ],
)
def test_a_wrong_row_is_named(answers, name, content, said):
    with pytest.raises(DataError, match=said):
        answers(name, content)


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(DataError, match="cannot be read as soft labels"):
        read_answers(tmp_path / "none.csv", LABELS)
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="cannot be read as soft labels"):
        read_answers(tmp_path / "a.csv", LABELS)


@pytest.fixture(scope="module")
def teacher(trained_folder, data, tmp_path_factory):
    return open_parent(str(trained_folder("bert")), data, tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def other(classifier_folder, data, tmp_path_factory):
    return open_parent(str(classifier_folder("distilbert")), data, tmp_path_factory.mktemp("other"))


@pytest.fixture
def bench(data, teacher, other, tmp_path):
    return StepContext(data, 0, None, teacher, tmp_path / "work", tmp_path / "draft", {"other": other})


def step(**options):
    quick = {"epochs": 1, "min_updates": 0, "batch_size": 32, "bf16": False, "max_length": 24, "layers": 1}
    return Distill(name="student", **(quick | options))


def train_data(bench, **options):
    return student_training_data(bench, **options)


def test_unlabelled_texts_come_after_the_training_texts_and_hold_none_of_val_and_test(bench, data, tmp_path):
    given = ["a new text", "  ", "a new text", data.val.texts[0], data.test.texts[3], data.train.texts[1], "another"]
    (tmp_path / "extra.txt").write_text("\n".join(given))
    count = len(data.train)
    made = train_data(bench, unlabeled_texts=str(tmp_path / "extra.txt"), augment=2.0)
    assert list(made.train_texts[: count + 2]) == [*data.train.texts, "a new text", "another"]
    assert set(made.train_labels[count:]) == {-100}
    assert len(made.train_labels) == len(made.train_texts)
    assert 2.5 * count < len(made.train_texts) <= 3 * count + 2
    assert len(set(made.train_texts[count:])) == len(made.train_texts) - count
    assert not set(made.train_texts) & {*data.val.texts, *data.test.texts}


def test_a_small_data_set_gets_more_texts_and_a_large_one_does_not(bench, data, tmp_path):
    count = len(data.train)
    (tmp_path / "extra.txt").write_text("a new text\nanother\n")
    made = train_data(bench, min_texts=3 * count, unlabeled_texts=str(tmp_path / "extra.txt"))
    assert list(made.train_texts[: count + 2]) == [*data.train.texts, "a new text", "another"]
    assert 2.9 * count < len(made.train_texts) <= 3 * count
    assert set(made.train_labels[count:]) == {-100}
    assert list(train_data(bench, min_texts=count).train_texts) == list(data.train.texts)
    assert len(train_data(bench, min_texts=count, augment=1.0).train_texts) > 1.5 * count


def test_without_either_there_are_the_training_texts_alone(bench, data):
    assert list(train_data(bench).train_texts) == list(data.train.texts)


def test_several_teachers_are_averaged_each_with_its_own_tokenizer_and_labels(bench, teacher, other, tiny):
    plain = train_data(bench)
    _, targets = teacher_outputs(bench, open_classifier(teacher.path), plain, max_length=24, teachers=("other",))
    parts = []
    for artifact in (teacher, other):
        logits = logits_of(open_classifier(artifact.path), tiny.text_encoder(artifact.path), plain.train_texts)
        parts.append(logits[:, [artifact.labels.index(label) for label in teacher.labels]])
    torch.testing.assert_close(targets.logits, (parts[0] + parts[1]) / 2, rtol=0, atol=1e-4)
    assert targets.features is None
    assert targets.relations is None


def write_answers(file, data, labels, *, more=()):
    rows = [*zip(data.train.texts, data.train.labels, strict=True), *more]
    sharp = {label: {other: 0.91 if other == label else 0.03 for other in labels} for label in labels}
    lines = [json.dumps({"text": text, "probabilities": sharp[label]}) for text, label in rows]
    file.write_text("\n".join(lines))
    return str(file)


def test_a_file_of_answers_teaches_in_the_teachers_place_and_brings_its_own_texts(bench, data, tmp_path):
    held_out = [(data.val.texts[0], "oos"), (data.test.texts[0], "oos")]
    file = write_answers(tmp_path / "a.jsonl", data, bench.parent.labels, more=[("brand new", "music"), *held_out])
    taught, targets = teacher_outputs(bench, None, train_data(bench), max_length=24, soft_labels=file)
    assert list(taught.train_texts) == [*data.train.texts, "brand new"]
    assert taught.train_labels[-1] == -100
    probabilities = torch.softmax(targets.logits, dim=1)
    wanted = [*data.train.labels, "music"]
    assert [bench.parent.labels[best] for best in probabilities.argmax(1)] == wanted
    np.testing.assert_allclose(probabilities.max(1).values, 0.91, atol=1e-5)


def test_a_training_text_without_an_answer_is_named(bench, data, tmp_path):
    short = SimpleNamespace(train=SimpleNamespace(texts=data.train.texts[1:], labels=data.train.labels[1:]))
    file = write_answers(tmp_path / "a.jsonl", short, bench.parent.labels)
    with pytest.raises(DataError, match="has no row for the training text"):
        teacher_outputs(bench, None, train_data(bench), max_length=24, soft_labels=file)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"teachers": ("other",)}, "teachers needs a teacher"),
        ({"hidden_weight": 1.0}, "hidden_weight needs a teacher"),
        ({"augment": 1.0}, "augment needs a teacher"),
        ({"min_texts": 500}, "min_texts needs a teacher"),
        ({"unlabeled_texts": "more.txt"}, "unlabeled_texts needs a teacher"),
    ],
)
def test_a_file_of_answers_beside_what_only_a_teacher_can_answer_is_refused(options, said):
    with pytest.raises(RecipeError, match=f"distill: soft_labels come from a file, but {said}"):
        check_options(step(soft_labels="a.jsonl", **options))


def test_a_recipe_that_contradicts_itself_is_refused_when_it_is_read():
    head = "version: 1\nname: x\nsteps:\n  - {step: finetune, as: t}\n"
    for line, said in (
        ("{step: distill, as: s, student: minilm, start: t}", "both set what the student starts from"),
        ("{step: prune, as: p}", "nothing to remove"),
        ("{step: cascade, as: c, from: t, first: t}", "first and from are both 't'"),
    ):
        with pytest.raises(RecipeError, match=said):
            parse_recipe(head + f"  - {line}\n")


@pytest.fixture
def unasked(monkeypatch):
    """Fail when a teacher is asked: what cannot be done must be known before."""
    monkeypatch.setattr(
        "packlight.steps.training.teacher_targets.cached_answers", lambda *_, **__: pytest.fail("the teacher was asked")
    )


def distilled(bench, tmp_path, other_parents=None, **options):
    return make_variant(
        step(**options),
        tmp_path / "student",
        tmp_path / "making",
        bench.data,
        parent=bench.parent,
        other_parents=other_parents,
    )[0]


@pytest.mark.usefixtures("unasked")
def test_what_the_student_cannot_do_is_said_before_the_teacher_is_asked(
    bench, data, classifier_folder, tiny, tmp_path, monkeypatch
):
    monkeypatch.setitem(tiny.SIZES, "hidden_size", 24)
    narrow = tiny.make_classifier(tiny.make_encoder("bert", tmp_path / "narrow-encoder"), tmp_path / "narrow")
    narrow = open_parent(str(narrow), data, tmp_path / "adopting")
    with pytest.raises(RecipeError, match="hidden_weight needs equal widths; the student has 24, the teacher 32"):
        distilled(bench, tmp_path, {"narrow": narrow}, start="narrow", hidden_weight=1.0)
    mpnet = open_parent(str(classifier_folder("mpnet")), data, tmp_path / "adopting-mpnet")
    with pytest.raises(RecipeError, match="the attention of 'mpnet' is not supported"):
        distilled(bench, tmp_path, {"mpnet": mpnet}, start="mpnet", relation_weight=1.0)
    shorter = tiny.seal_variant(narrow.path, max_length=5, name="narrow")
    with pytest.raises(RecipeError, match=r"one tokenizer and length for student and teacher; .* has 5 tokens"):
        distilled(bench, tmp_path, {"narrow": shorter}, start="narrow", relation_weight=1.0, max_length=None)
    with pytest.raises(RecipeError, match="max_length 24 is above the model's limit of 5 tokens; use 5 or less"):
        distilled(bench, tmp_path, {"narrow": shorter}, start="narrow", max_length=24)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_student_from_another_encoder_learns_from_unlabelled_texts_too(bench, encoder_folder, tmp_path, family):
    (tmp_path / "extra.txt").write_text("a new text\nand another\n")
    encoder = encoder_folder(family)
    options = {"student": str(encoder), "augment": 1.0, "unlabeled_texts": str(tmp_path / "extra.txt")}
    student, _ = make_variant(
        step(**options),
        tmp_path / "student",
        tmp_path / "making",
        bench.data,
        parent=bench.parent,
        checkpoint=resolve(str(encoder)),
    )
    assert student.labels == bench.parent.labels
    assert student.manifest.facts["started_from"] == str(encoder)
    assert student.manifest.facts["texts"] > 1.5 * len(bench.data.train)


@pytest.mark.usefixtures("unasked")
def test_a_start_with_other_labels_is_refused(bench, tiny, encoder_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tiny, "LABELS", ("alarm", "music", "oos", "snow"))
    model = tiny.build_classifier(encoder_folder("bert"), tiny.LABELS, seed=1)
    tiny.save_classifier(model, tmp_path / "odd", tokenizer_from=encoder_folder("bert"), max_length=24)
    odd = tiny.seal_variant(tmp_path / "odd")
    with pytest.raises(ModelError, match="student: odd has different labels from its teacher"):
        distilled(bench, tmp_path, {"odd": odd}, start="odd")


def test_another_content_of_a_file_makes_the_student_again(bench, data, tmp_path):
    marks = []
    for word in ("one", "one", "two"):
        file = write_answers(tmp_path / "a.jsonl", data, bench.parent.labels, more=[(word, "music")])
        marks.append(distilled(bench, tmp_path, soft_labels=file).manifest.fingerprint)
    assert marks[0] == marks[1] != marks[2]


def test_a_teacher_that_answers_in_bfloat16_answers_the_same_to_within_rounding(bench, teacher):
    plain = train_data(bench)
    model = open_classifier(teacher.path)
    exact, rounded = (
        teacher_outputs(bench, model, plain, max_length=24, bf16=bf16)[1].logits for bf16 in (False, True)
    )
    assert exact.dtype == rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, rtol=0, atol=0.05 * float(exact.abs().max()))
