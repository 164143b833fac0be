"""Options of `distill`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from packlight.data.text_file import read_lines
from packlight.models.adoption import HeadPlan
from packlight.models.structure import Structure
from packlight.steps.step import Count, Name, Positive, Rate, Span, Weight, described
from packlight.steps.training.options import (
    Alpha,
    Augment,
    LogitWeight,
    MinTexts,
    NewWords,
    Teachers,
    Temperature,
    Training,
    UnlabeledTexts,
)
from packlight.steps.training.soft_labels import read_answers

if TYPE_CHECKING:
    from packlight.data import Dataset
    from packlight.models import Checkpoint

EPOCHS = 6
MIN_UPDATES = 300
"""if no epochs are stated"""


class Distill(Training, frozen=True, kw_only=True, tag="distill"):
    """Train a smaller student on the labels and on its teacher's predictions (Hinton et al. 2015)."""

    needs = ("torch",)
    makes = "torch"
    trains = "teacher"
    artifact_name = "student"
    example = "artifacts/teacher --data intents.csv --layers 3"

    student: Annotated[
        str | None,
        described(
            "Model that the student starts from: a Hub id, a local folder, `minilm` or `mpnet`.",
            null="layers of the teacher",
            takes="model",
        ),
    ] = None
    start: Annotated[
        Name | None,
        described(
            "Variant that the student starts from, such as a pruned one.", null="layers of the teacher", takes="variant"
        ),
    ] = None
    layers: Annotated[
        tuple[Count, ...] | Positive,
        described("Encoder layers of the teacher to start from: how many, evenly spaced, or their indices from 0."),
    ] = 3
    teachers: Teachers = ()
    soft_labels: Annotated[
        str | None,
        described(
            "CSV or JSONL file of texts with class probabilities, used in place of the teacher's predictions.",
            null="none",
            takes="file",
        ),
    ] = None
    alpha: Alpha = 0.1
    temperature: Temperature = 2.0
    logit_weight: LogitWeight = 0.0
    hidden_weight: Annotated[
        Weight,
        described(
            "Weight of the cosine distance between the inputs of the two heads. Student and teacher must be equally wide."
        ),
    ] = 0.0
    relation_weight: Annotated[
        Weight,
        described(
            "Weight of the last layers' attention relations (Wang et al. 2021, MiniLMv2). Student and teacher must share a "
            "tokenizer."
        ),
    ] = 0.0
    augment: Augment = 0.0
    min_texts: MinTexts = 0
    new_words: NewWords = False
    unlabeled_texts: UnlabeledTexts = None
    epochs: Annotated[
        Positive | None,
        described("Passes over the training texts.", null=f"{EPOCHS}, or more until {MIN_UPDATES} updates are made"),
    ] = None
    learning_rate: Annotated[
        Rate, described("Peak learning rate of the encoder.", searched=Span(1e-4, 1e-3, log=True))
    ] = 3e-4
    freeze_layers: Annotated[
        Count, described("Number of lower layers to freeze at first, together with the embeddings.")
    ] = 0
    freeze_epochs: Annotated[Count, described("Epochs to keep the lower layers frozen.")] = 0
    hard_class_weight: Annotated[
        Annotated[float, msgspec.Meta(ge=1)],
        described(
            "Factor on the loss of the classes that the student gets wrong most often. 1 treats all classes alike."
        ),
    ] = 1.0

    @property
    def planned_epochs(self) -> int:
        """The stated epochs, or 6 if none are stated."""
        return EPOCHS if self.epochs is None else self.epochs

    @property
    def least_updates(self) -> int:
        """Minimum number of updates, which adds epochs: at least 300 if no epochs are stated."""
        return max(MIN_UPDATES, self.min_updates) if self.epochs is None else self.min_updates

    @property
    def other_parents(self) -> dict[Name, tuple[str, ...]]:
        """The variant to start from and the other teachers."""
        return dict.fromkeys((*([self.start] if self.start else []), *self.teachers), ("torch",))

    @property
    def weight_of_inner_states(self) -> str | None:
        """The option that makes a student learn more than the teacher's logits; None without one."""
        names = ("hidden_weight", "relation_weight")
        return next((name for name in names if getattr(self, name) > 0), None)

    @property
    def contradiction(self) -> str | None:
        """Check for two starting points, and for soft labels together with options that need a teacher."""
        if self.start and self.student:
            return "start and student both set what the student starts from; give one of them"
        beside = {
            "teachers": bool(self.teachers),
            "hidden_weight": self.hidden_weight > 0,
            "augment": self.augment > 0,
            "min_texts": self.min_texts > 0,
            "unlabeled_texts": self.unlabeled_texts is not None,
        }
        if self.long_texts == "windows" and (weight := self.weight_of_inner_states):
            return f"{weight} compares student and teacher on whole texts, which windows split; omit one of the two"
        if self.soft_labels and (wrong := [key for key, given in beside.items() if given]):
            return f"soft_labels come from a file, but {wrong[0]} needs a teacher; give one of the two"
        return None

    @property
    def files(self) -> tuple[str, ...]:
        """The soft labels and the unlabelled texts."""
        return tuple(file for file in (self.soft_labels, self.unlabeled_texts) if file)

    def start_model(self, default: str) -> str | None:  # noqa: ARG002 - a student does not start from the run's model
        """The student's checkpoint."""
        return self.student

    def head_plan(self, checkpoint: "Checkpoint", labels: tuple[str, ...]) -> HeadPlan:
        """The student's own head, which must have the teacher's labels, or a new head on an encoder."""
        checkpoint.check_task()
        own = checkpoint.labels
        return HeadPlan(labels, 0) if own is None else HeadPlan(own, len(own))

    def obstacle(self, structure: Structure) -> str | None:
        """Check that the teacher has the requested layers, and the parts that the losses compare."""
        if self.student is None and self.start is None and (reason := structure.lacks_layers(self.layers)):
            return reason
        if self.freeze_layers and self.freeze_epochs and structure.layers is None:
            return f"freeze_layers: {structure.model_type} has no list of layers"
        if self.relation_weight and not structure.layout_known:
            return f"relation_weight: the attention of {structure.model_type} is not supported"
        if self.hidden_weight and not structure.one_vector:
            return f"hidden_weight: {structure.model_type} has no single vector for a text"
        return None

    def result_structure(self, structure: Structure) -> Structure:
        """Reduce the layers, if the student is built from the teacher's."""
        if self.student is not None or self.start is not None:
            return structure
        return replace(structure, layers=self.layers if isinstance(self.layers, int) else len(self.layers))

    def check_data(self, data: "Dataset") -> None:
        """Read both files.

        Raises:
            DataError: if one cannot be read, or if the soft labels have labels that the data lacks.
        """
        if self.soft_labels:
            read_answers(Path(self.soft_labels), data.labels)
        if self.unlabeled_texts:
            read_lines(Path(self.unlabeled_texts))
