"""A teacher's outputs for the training texts, computed once and cached."""

import contextlib
import dataclasses
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from packlight.data.text_file import read_lines
from packlight.errors import DataError
from packlight.files import atomic_write
from packlight.models import label_mapping
from packlight.models.hf_model import open_classifier
from packlight.progress import bar
from packlight.runtime.artifact import Artifact
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.context import StepContext
from packlight.steps.inference import forward_all
from packlight.steps.training.attention_relations import TeacherRelations
from packlight.steps.training.augment import augment as generate
from packlight.steps.training.soft_labels import LEAST, read_answers
from packlight.steps.training.training_data import NO_LABEL, TrainingData, training_data
from packlight.steps.training.vocabulary_words import vocabulary_words

PART = 2048
"""texts that are answered and stored together"""


@dataclass(frozen=True)
class TeacherOutputs:
    """The teacher's outputs for the training texts."""

    logits: Tensor
    """[texts, labels], in the label order of the training data"""
    features: Tensor | None = None
    """the inputs of the teacher's last layer, [texts, width]; needed for `hidden_weight`"""
    relations: TeacherRelations | None = None
    """computes the relations of any of the texts; needed for `relation_weight`"""


def cached_answers(
    teacher: PreTrainedModel,
    encoder: TextEncoder,
    texts: Sequence[str],
    *,
    key: str,
    folder: Path,
    bf16: bool = False,
) -> tuple[Tensor, Tensor]:
    """The teacher's logits [texts, labels] and the inputs of its last layer [texts, width], float32.

    Texts are answered and stored in parts of `PART`, in their order. So students with the same texts at the start share
    the answers to them, and an interrupted run repeats at most one part.

    Args:
        teacher: runs if the cache lacks texts.
        encoder: its tokenizer.
        texts: its inputs.
        key: a hash of the teacher's weights and tokenizer.
        folder: the cache's folder, with `.npz` files named by content.
        bf16: multiply in bfloat16, which is faster and rounds to three digits.
    """
    parts = []
    with bar("the teacher is answering", total=len(texts)) as progress:
        for start in range(0, len(texts), PART):
            part = texts[start : start + PART]
            parts.append(_answers_to_part(teacher, encoder, part, key=key, folder=folder, bf16=bf16))
            progress.advance(len(part))
    logits, features = zip(*parts, strict=True)
    return torch.cat(logits), torch.cat(features)


def _answers_to_part(
    teacher: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str], *, key: str, folder: Path, bf16: bool
) -> tuple[Tensor, Tensor]:
    digest = hashlib.sha256(f"{key}\0{encoder.max_length}\0{encoder.long_texts}\0{bf16}\0".encode())
    for text in texts:
        digest.update(f"{len(text)}:{text}".encode())
    file = folder / f"answers-{digest.hexdigest()[:32]}.npz"
    if file.is_file():
        # A damaged file is rewritten.
        damage = contextlib.suppress(OSError, ValueError, EOFError, KeyError, BadZipFile)
        with damage, np.load(file, allow_pickle=False) as known:
            return torch.from_numpy(known["logits"]), torch.from_numpy(known["features"])
    logits, features = forward_all(teacher, encoder, texts, bf16=bf16, shown=False)
    buffer = io.BytesIO()
    np.savez(buffer, logits=logits.numpy(), features=features.numpy())
    atomic_write(file, buffer.getvalue())
    return logits, features


def student_training_data(
    context: StepContext,
    *,
    augment: float = 0.0,
    unlabeled_texts: str | None = None,
    min_texts: int = 0,
    new_words: bool = False,
) -> TrainingData:
    """The training texts, followed by unlabelled ones: those of the file, and generated ones.

    Args:
        context: what the step is given. Its parent is the teacher.
        augment: texts to generate for each training text.
        unlabeled_texts: a file of texts, one per line.
        min_texts: generate until there are this many training texts.
        new_words: put words of the teacher's vocabulary into some of them.

    Raises:
        DataError: if the file of texts cannot be read.
    """
    train_data = training_data(context.data, context.parent.labels)
    # Texts of val and test must not be trained on, labelled or not.
    held_out = {*train_data.train_texts, *context.data.val.texts, *context.data.test.texts}
    given = read_lines(Path(unlabeled_texts)) if unlabeled_texts else []
    given = [text for text in dict.fromkeys(given) if text not in held_out]
    texts = len(train_data.train_texts)
    count = max(round(augment * texts), min_texts - texts - len(given))
    words = vocabulary_words(context.parent.tokenizer_path, train_data.train_texts) if new_words else ()
    made = generate(train_data.train_texts, count, seed=context.seed, words=words) if count > 0 else []
    extra = [text for text in dict.fromkeys([*given, *made]) if text not in held_out]
    return train_data.with_unlabelled(extra)


def teacher_outputs(
    context: StepContext,
    teacher: PreTrainedModel,
    train_data: TrainingData,
    *,
    max_length: int,
    soft_labels: str | None = None,
    teachers: Sequence[str] = (),
    features: bool = False,
    relations: bool = False,
    bf16: bool = False,
    device: str = "cpu",
) -> tuple[TrainingData, TeacherOutputs]:
    """The teachers' outputs for the training texts: the mean of their logits.

    Args:
        context: what the step is given. Its parent is the first teacher.
        teacher: the parent, opened.
        train_data: texts and labels.
        max_length: tokens that texts are truncated to.
        soft_labels: a file of class probabilities that replaces the teachers, and adds the texts that only it contains.
        teachers: names of the other teachers.
        features: return the inputs of the teacher's last layer.
        relations: return the teacher's attention relations.
        bf16: let the teachers multiply in bfloat16.
        device: where the teachers run.

    Raises:
        DataError: if the file of soft labels cannot be read, or lacks a training text.
    """
    encoder = teacher_encoder(context, max_length)
    seen = None
    if soft_labels is not None:
        train_data, logits = _from_file(Path(soft_labels), context, train_data)
    else:
        logits, seen = _asked(
            context, context.parent, teacher, train_data, encoder.max_length, bf16=bf16, device=device
        )
        others = [context.other_parents[name] for name in teachers]
        for other in others:
            columns = label_mapping(other.labels, train_data.labels).columns
            more, _ = _asked(
                context, other, open_classifier(other.path), train_data, encoder.max_length, bf16=bf16, device=device
            )
            logits = logits + more[:, list(columns)]
        logits = logits / (1 + len(others))
    known = TeacherRelations(teacher, encoder, train_data.train_texts) if relations else None
    return train_data, TeacherOutputs(logits, seen if features else None, known)


def teacher_encoder(context: StepContext, max_length: int) -> TextEncoder:
    """The parent's tokenizer, with the maximum length that the student trains with."""
    manifest = context.parent.manifest
    length = min(max_length, manifest.max_length)
    return TextEncoder(context.parent.tokenizer_path, length, long_texts=manifest.long_texts)


def _asked(
    context: StepContext,
    artifact: Artifact,
    model: PreTrainedModel,
    train_data: TrainingData,
    length: int,
    *,
    bf16: bool,
    device: str,
) -> tuple[Tensor, Tensor]:
    files = artifact.manifest.files
    model.to(device)  # type: ignore[arg-type]  # the signature of transformers' wrapper
    try:
        return cached_answers(
            model,
            TextEncoder(
                artifact.tokenizer_path,
                min(length, artifact.manifest.max_length),
                long_texts=artifact.manifest.long_texts,
            ),
            train_data.train_texts,
            key="+".join(files[name].sha256 for name in (artifact.manifest.model_file, "tokenizer.json")),
            folder=context.work_dir.parent / "teacher-answers",
            bf16=bf16,
        )
    finally:
        model.cpu()


def _from_file(file: Path, context: StepContext, train_data: TrainingData) -> tuple[TrainingData, Tensor]:
    """Logits from a file of soft labels: the logarithms of its probabilities."""
    answers = read_answers(file, train_data.labels)
    held_out = {*context.data.val.texts, *context.data.test.texts}
    known = set(train_data.train_texts)
    extra = [text for text in answers if text not in known and text not in held_out]
    texts, labels = [], []
    for text, label in zip(train_data.train_texts, train_data.train_labels, strict=True):
        if text in answers:
            texts.append(text)
            labels.append(label)
        elif label != NO_LABEL:
            raise DataError(f"{file}: has no row for the training text {text!r}; add a row for every text of train")
    train_data = dataclasses.replace(
        train_data, train_texts=[*texts, *extra], train_labels=[*labels, *[NO_LABEL] * len(extra)]
    )
    probabilities = np.array([answers[text] for text in train_data.train_texts], dtype=np.float32)
    return train_data, torch.from_numpy(np.log(np.maximum(probabilities, LEAST)))
