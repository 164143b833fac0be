"""What a student is taught with: the training texts, unlabelled ones beside them, and the teachers' answers to all."""

import csv
import dataclasses
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from packlight.artifact import Artifact
from packlight.checkpoint import label_mapping
from packlight.classifier.stock import open_classifier
from packlight.dataset.lines import read_lines
from packlight.errors import DataError
from packlight.pipeline.making.bench import Bench
from packlight.pipeline.parts import lesson_for
from packlight.recipe import Distill, DistillStatic
from packlight.steps.augment import augment
from packlight.steps.distill import Teaching, cached_answers
from packlight.steps.relations import TeacherRelations
from packlight.steps.training import UNLABELLED, Lesson
from packlight.tokenization import TextEncoder

LEAST = 1e-6
"""probabilities below are taken to be this"""
Answers = dict[str, list[float]]
"""text -> probability of each label"""
Rows = Iterator[tuple[int, str, Mapping[str, str | float]]]
"""line, text, and the probability of each label that is given"""


def lesson_of(step: Distill | DistillStatic, bench: Bench, labels: tuple[str, ...]) -> Lesson:
    """The training texts, and after them the unlabelled ones: those of the file, and those made by augmentation.

    Raises:
        DataError: when the file of texts cannot be read.
    """
    lesson = lesson_for(bench.data, labels)
    # Texts of val and test are no teaching material, labelled or not.
    held_out = {*lesson.train_texts, *bench.data.val.texts, *bench.data.test.texts}
    given = read_lines(Path(step.extra_texts)) if step.extra_texts else []
    given = [text for text in dict.fromkeys(given) if text not in held_out]
    least = step.min_texts if isinstance(step, Distill) else 0
    count = max(round(step.augment * len(lesson.train_texts)), least - len(lesson.train_texts) - len(given))
    made = augment(lesson.train_texts, count, seed=bench.seed) if count > 0 else []
    extra = [text for text in dict.fromkeys([*given, *made]) if text not in held_out]
    return dataclasses.replace(
        lesson,
        train_texts=[*lesson.train_texts, *extra],
        train_labels=[*lesson.train_labels, *[UNLABELLED] * len(extra)],
    )


def taught_by(
    step: Distill | DistillStatic, bench: Bench, teacher: PreTrainedModel, lesson: Lesson
) -> tuple[Lesson, Teaching]:
    """The teachers' answers to the lesson's training texts: the mean of their logits.

    A file of answers stands in their place, and adds the texts that only it has.

    Raises:
        DataError: when the file of answers cannot be read, or says nothing of a training text.
    """
    encoder = teacher_encoder(step, bench)
    if isinstance(step, Distill) and step.answers is not None:
        lesson, logits = _from_file(Path(step.answers), bench, lesson)
        features = None
    else:
        logits, features = _asked(bench, bench.origin, teacher, lesson, encoder.max_length)
        others = [bench.others[name] for name in step.teachers] if isinstance(step, Distill) else []
        for other in others:
            columns = label_mapping(other.labels, lesson.labels).columns
            more, _ = _asked(bench, other, open_classifier(other.path), lesson, encoder.max_length)
            logits = logits + more[:, list(columns)]
        logits = logits / (1 + len(others))
    hidden = isinstance(step, Distill) and step.hidden_weight > 0
    relations = None
    if isinstance(step, Distill) and step.relation_weight > 0:
        relations = TeacherRelations(teacher, encoder, lesson.train_texts)
    return lesson, Teaching(logits, features if hidden else None, relations)


def teacher_encoder(step: Distill | DistillStatic, bench: Bench) -> TextEncoder:
    """The parent's tokenizer, at the length that the student learns with."""
    return TextEncoder(bench.origin.tokenizer_path, min(step.max_length, bench.origin.manifest.max_length))


def _asked(
    bench: Bench, artifact: Artifact, model: PreTrainedModel, lesson: Lesson, length: int
) -> tuple[Tensor, Tensor]:
    files = artifact.manifest.files
    return cached_answers(
        model,
        TextEncoder(artifact.tokenizer_path, min(length, artifact.manifest.max_length)),
        lesson.train_texts,
        key="+".join(files[name].sha256 for name in (artifact.manifest.model_file, "tokenizer.json")),
        folder=bench.work.parent / "teacher-answers",
    )


def _from_file(file: Path, bench: Bench, lesson: Lesson) -> tuple[Lesson, Tensor]:
    """Logits from a file of answers: the logarithms of its probabilities."""
    answers = read_answers(file, lesson.labels)
    held_out = {*bench.data.val.texts, *bench.data.test.texts}
    known = set(lesson.train_texts)
    extra = [text for text in answers if text not in known and text not in held_out]
    texts, labels = [], []
    for text, label in zip(lesson.train_texts, lesson.train_labels, strict=True):
        if text in answers:
            texts.append(text)
            labels.append(label)
        elif label != UNLABELLED:
            raise DataError(f"{file}: says nothing of the training text {text!r}; answer all texts of train")
    lesson = dataclasses.replace(
        lesson, train_texts=[*texts, *extra], train_labels=[*labels, *[UNLABELLED] * len(extra)]
    )
    probabilities = np.array([answers[text] for text in lesson.train_texts], dtype=np.float32)
    return lesson, torch.from_numpy(np.log(np.maximum(probabilities, LEAST)))


def read_answers(file: Path, labels: Sequence[str]) -> Answers:
    """Read texts with class probabilities.

    Args:
        file: JSONL with `text` and `probabilities` (label -> probability, left out where 0) in each row, or CSV with
            a column `text` and one for each label.
        labels: the classes, in the order wanted.

    Returns:
        For each text the probability of each label, scaled to a sum of 1; of a text that comes twice, the last.

    Raises:
        DataError: when the file cannot be read, names other labels, or holds no probabilities; names the line.
    """
    try:
        content = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as a file of answers ({error})") from error
    rows = _csv_rows(file, content) if file.suffix.lower() == ".csv" else _jsonl_rows(file, content)
    answers: Answers = {}
    for number, text, given in rows:
        where = f"{file}, line {number}"
        if unknown := sorted(given.keys() - set(labels)):
            raise DataError(f"{where}: {unknown[0]!r} is no label of the data")
        try:
            values = np.array([float(given.get(label) or 0) for label in labels])
        except ValueError as error:
            raise DataError(f"{where}: {error}; give a probability from 0 to 1 for each label") from error
        if not ((values >= 0).all() and (values <= 1 + LEAST).all() and values.sum() > 0):
            raise DataError(f"{where}: probabilities must be numbers from 0 to 1, not all 0")
        # As the texts of a data set are.
        answers[text.strip()] = list(values / values.sum())
    if not answers:
        raise DataError(f"{file}: holds no answers")
    return answers


class _Row(msgspec.Struct):
    text: str
    probabilities: dict[str, float]


def _jsonl_rows(file: Path, content: str) -> Rows:
    # Not `splitlines`, which also cuts at characters that a JSON string may hold.
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            try:
                row = msgspec.json.decode(line, type=_Row)
            except msgspec.MsgspecError as error:
                raise DataError(
                    f'{file}, line {number}: {error}; expected {{"text": …, "probabilities": {{label: …}}}}'
                ) from error
            yield number, row.text, row.probabilities


def _csv_rows(file: Path, content: str) -> Rows:
    reader = csv.DictReader(io.StringIO(content, newline=""))
    try:
        if "text" not in (reader.fieldnames or ()):
            raise DataError(f"{file}: has no column `text`; expected `text` and one column for each label")
        for row in reader:
            if None in row:
                raise DataError(f"{file}, line {reader.line_num}: has more cells than the header has names")
            yield reader.line_num, row.pop("text") or "", row
    except csv.Error as error:
        raise DataError(f"{file}, after line {reader.line_num}: {error}") from error
