"""`DistillationTrainer`: distil any teacher into any student in three lines of Python.

config = DistillationConfig(teacher_model="teacher", student_model="student", alpha=0.5, temperature=2.0)
trainer = DistillationTrainer(config)
trainer.train(train_dataset)
metrics = trainer.evaluate(test_dataset)
"""

import shutil
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from packlight.api.saving import new_folder
from packlight.data import Dataset, Split, read_rows
from packlight.data.oos_label import scope_label
from packlight.data.splits import hold_out
from packlight.errors import ModelError
from packlight.files import atomic_folder, sha256_of
from packlight.measure import statistics
from packlight.models import Checkpoint, label_mapping, resolve
from packlight.models.hf_model import build_classifier, labels_of, length_limit, open_classifier, save_classifier
from packlight.models.layers import keep_layers
from packlight.models.tokenizer import tokenizer_folder
from packlight.models.weight_checks import check_whole
from packlight.pipeline.fingerprint import fingerprint
from packlight.runtime.artifact import SAFETENSORS
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.context import StepResult
from packlight.steps.distill.apply import distill
from packlight.steps.distill.options import Distill
from packlight.steps.inference import logits_of
from packlight.steps.manifest import finalize_variant, manifest_of
from packlight.steps.step import check_options
from packlight.steps.training.announcing import announce
from packlight.steps.training.centroids import start_from_centroids
from packlight.steps.training.history import EpochResult, training_facts
from packlight.steps.training.teacher_targets import TeacherOutputs
from packlight.steps.training.training_data import TrainingData


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """The models and settings of a distillation (Hinton et al. 2015, section 2).

    `teacher_model` and `student_model` are a model object, a folder or a Hub id; if the student is None, it is built
    from `layers` of the teacher. The tokenizer of a model object is found where the model was loaded from; otherwise
    give `tokenizer`: a tokenizer object, a folder or a Hub id. A model object given as the student is trained in place.
    """

    teacher_model: PreTrainedModel | str | Path
    student_model: PreTrainedModel | str | Path | None = None
    tokenizer: Any = None
    layers: tuple[int, ...] | int = 3
    alpha: float = 0.5
    temperature: float = 2.0
    epochs: int = 3
    learning_rate: float = 5e-5
    head_learning_rate: float | None = None
    batch_size: int = 32
    max_length: int | None = None
    patience: int | None = None
    freeze_layers: int = 0
    freeze_epochs: int = 0
    hard_class_weight: float = 1.0
    seed: int = 0

    def step(self) -> Distill:
        """The configuration as a step of a recipe.

        Raises:
            RecipeError: if a value is out of range.
        """
        step = Distill(
            name="student",
            layers=self.layers,
            alpha=self.alpha,
            temperature=self.temperature,
            epochs=self.epochs,
            min_updates=0,
            learning_rate=self.learning_rate,
            head_learning_rate=self.head_learning_rate,
            batch_size=self.batch_size,
            max_length=self.max_length,
            patience=self.patience,
            freeze_layers=self.freeze_layers,
            freeze_epochs=self.freeze_epochs,
            hard_class_weight=self.hard_class_weight,
        )
        check_options(step)
        return step


class DistillationTrainer:
    """Trains a student. `student` is the model; `history` has the results on the validation texts after each epoch."""

    def __init__(self, config: DistillationConfig) -> None:
        """Open the teacher.

        Raises:
            ModelError: if it is not a classifier, or if its tokenizer cannot be found.
            RecipeError: if a value of the configuration is out of range.
        """
        self.config = config
        self._step = config.step()
        self._scratch = Path(tempfile.mkdtemp(prefix="packlight-"))
        weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self.teacher, self._teacher_files = _opened(config.teacher_model, config.tokenizer, self._scratch / "teacher")
        self.student: PreTrainedModel | None = None
        self._oos_label: str | None = None
        self._data_sha256 = ""
        self._student_files = self._teacher_files
        self.history: list[EpochResult] = []

    def train(self, train_dataset: Iterable[Any], val_dataset: Iterable[Any] | None = None) -> list[EpochResult]:
        """Train the student.

        Args:
            train_dataset: rows with `text` and `intent` or `label`.
            val_dataset: rows of the same form, to choose the best epoch. By default, a stratified tenth of the training
                rows is held out.

        The accuracy after each epoch is printed to standard error.

        Returns:
            The results on the validation rows after each epoch.
        """
        train = read_rows(train_dataset, name="train")
        if val_dataset is None:
            train, val = hold_out(train, seed=self.config.seed)
        else:
            val = read_rows(val_dataset, name="val")
        train_data = self._training_data(train, val)
        self._oos_label = train_data.oos_label
        self._data_sha256 = Dataset("memory", train, val, Split((), ()), train_data.oos_label).sha256
        student = self._make_student(train_data)
        with tempfile.TemporaryDirectory(prefix="packlight-") as work:
            self.history = distill(
                student,
                self._encoder(student, self._student_files),
                self._teacher_outputs(train_data),
                train_data,
                self._step,
                work=Path(work),
                seed=self.config.seed,
                on_epoch=lambda epoch: announce(self._step.name, epoch),
            )
        self.student = student
        return self.history

    def evaluate(self, test_dataset: Iterable[Any]) -> dict[str, Any]:
        """The student's `accuracy` and `macro_f1`, from 0 to 1, and `per_class` accuracy by label, the worst first."""
        split = read_rows(test_dataset, name="test")
        student = self._trained()
        names = sorted(set(split.labels))
        columns = dict(zip(names, label_mapping(labels_of(student), names).columns, strict=True))
        truth = np.array([columns[label] for label in split.labels])
        predicted = logits_of(student, self._encoder(student, self._student_files), split.texts).argmax(dim=1).numpy()
        labels = {column: label for label, column in columns.items()}
        return {
            "accuracy": statistics.accuracy(truth, predicted),
            "macro_f1": statistics.macro_f1(truth, predicted),
            "per_class": {
                labels[each.label]: each.accuracy for each in statistics.per_class_accuracy(truth, predicted)
            },
        }

    def save(self, folder: str | Path) -> Path:
        """Save the student as an artifact, for `Predictor.open`, `packlight export` and transformers.

        Raises:
            ArtifactError: if the folder exists already.
            ModelError: if `train` has not been called.
        """
        student, target = self._trained(), new_folder(folder)
        length = self._encoder(student, self._student_files).max_length
        with atomic_folder(target) as draft:
            save_classifier(student, draft, tokenizer_from=self._student_files, max_length=length)
            mark = fingerprint(
                kind=self._step.kind,
                generation=self._step.generation,
                options=self._step.options(),
                parent=sha256_of(draft / SAFETENSORS),  # a model in memory, as a teacher can be, has no other identity
                data=self._data_sha256,
                seed=self.config.seed,
            )
            facts = training_facts(self.history)
            result = StepResult("torch", "fp32", SAFETENSORS, length, batch_invariant=True, facts=facts)
            manifest = manifest_of(
                self._step, result, fingerprint=mark, data_sha256=self._data_sha256, oos_label=self._oos_label
            )
            finalize_variant(draft, manifest)
        return target

    def _teacher_outputs(self, train_data: TrainingData) -> TeacherOutputs:
        encoder = self._encoder(self.teacher, self._teacher_files)
        return TeacherOutputs(logits_of(self.teacher, encoder, train_data.train_texts))

    def _trained(self) -> PreTrainedModel:
        if self.student is None:
            raise ModelError("there is no student yet: call train(train_dataset) first")
        return self.student

    def _encoder(self, model: PreTrainedModel, files: Path) -> TextEncoder:
        limit, stated = length_limit(model, files), self.config.max_length
        if stated is not None and stated > limit:
            raise ModelError(f"max_length {stated} is above the model's limit of {limit} tokens; use {limit} or less")
        return TextEncoder(files / "tokenizer.json", stated or limit)

    def _training_data(self, train: Split, val: Split) -> TrainingData:
        labels = labels_of(self.teacher)
        names = sorted({*train.labels, *val.labels})
        columns = dict(zip(names, label_mapping(labels, names).columns, strict=True))
        outside = scope_label(names, None)
        return TrainingData(
            train_texts=train.texts,
            train_labels=[columns[label] for label in train.labels],
            val_texts=val.texts,
            val_labels=[columns[label] for label in val.labels],
            labels=labels,
            oos_label=None if outside is None else labels[columns[outside]],
        )

    def _make_student(self, train_data: TrainingData) -> PreTrainedModel:
        given = self.config.student_model
        if given is None:
            self._student_files = self._teacher_files
            return keep_layers(self.teacher, self.config.layers)
        if isinstance(given, str | Path) and not (checkpoint := _resolved(given)).is_classifier:
            self._student_files = tokenizer_folder(checkpoint, self._scratch / "student")
            student = build_classifier(checkpoint.path, train_data.labels, seed=self.config.seed)
            start_from_centroids(student, self._encoder(student, self._student_files), train_data)
            return student
        student, self._student_files = _opened(given, self.config.tokenizer, self._scratch / "student")
        if labels_of(student) != tuple(train_data.labels):
            raise ModelError(
                f"the student's labels are not the teacher's {len(train_data.labels)}: build it with the teacher's "
                "id2label and label2id, or give an encoder",
            )
        return student


def _resolved(reference: str | Path) -> Checkpoint:
    checkpoint = resolve(reference)
    check_whole(checkpoint)
    return checkpoint


def _opened(model: PreTrainedModel | str | Path, tokenizer: Any, work: Path) -> tuple[PreTrainedModel, Path]:
    """A classifier, and the folder of its fast tokenizer."""
    if isinstance(model, str | Path):
        checkpoint = _resolved(model)
        if not checkpoint.is_classifier:
            raise ModelError(f"{model}: this is an encoder without labels; fine-tune it first (`packlight finetune`)")
        return open_classifier(checkpoint.path), tokenizer_folder(checkpoint, work)
    if hasattr(tokenizer, "save_pretrained"):
        tokenizer.save_pretrained(work)
        tokenizer = work
    origin = tokenizer or getattr(model, "name_or_path", "")
    if not origin:
        raise ModelError("a model object needs its tokenizer: DistillationConfig(tokenizer=...)")
    if (Path(origin) / "tokenizer.json").is_file():
        return model.eval(), Path(origin)
    return model.eval(), tokenizer_folder(resolve(origin), work)
