"""Options of `distill`."""

from typing import Annotated

import msgspec

from packlight.steps.step import Count, Name, Positive, Rate, Share, Weight
from packlight.steps.training.options import Training


class Distill(Training, frozen=True, kw_only=True, tag="distill"):
    """Teach a smaller student what the parent knows (Hinton et al. 2015)."""

    needs = ("torch",)
    makes = "torch"

    student: str | None = None
    """a checkpoint to start from; null to take layers of the teacher"""
    start: Name | None = None
    """a variant to start from, such as a pruned one, in place of layers of the teacher"""
    layers: tuple[Count, ...] | Positive = 3
    """which of the teacher's layers, counted from 0; a number takes so many, evenly spaced"""
    teachers: tuple[Name, ...] = ()
    """variants whose logits are averaged with the parent's"""
    soft_labels: str | None = None
    """a file of texts with class probabilities, from any source, that teaches in the parent's place"""
    alpha: Share = 0.1
    """weight of the labels against the teacher's answers"""
    temperature: Rate = 2.0
    logit_weight: Weight = 0.0
    """weight of the mean squared error between the logits of student and teacher"""
    hidden_weight: Weight = 0.0
    """weight of the cosine distance between what the heads of student and teacher see; both must be as wide"""
    relation_weight: Weight = 0.0
    """weight of the last layers' attention relations (Wang et al. 2021, MiniLMv2)"""
    augment: Weight = 0.0
    """unlabelled texts made of the training texts, for each of them, that the teacher answers"""
    min_texts: Count = 0
    """more unlabelled texts are made, until the student has this many texts in all; helps small data sets"""
    unlabeled_texts: str | None = None
    """a file of unlabelled texts, one a line, that the teacher answers"""
    epochs: Positive = 6
    min_updates: Count = 300
    learning_rate: Rate = 3e-4
    freeze_layers: Count = 0
    """so many layers, and the embeddings, stay as they are at first"""
    freeze_epochs: Count = 0
    """after so many epochs they are trained too"""
    hard_class_weight: Annotated[float, msgspec.Meta(ge=1)] = 1.0
    """factor on the loss of the classes that the student struggles with; 1 for none"""

    @property
    def others(self) -> dict[Name, tuple[str, ...]]:
        """The variant to start from and the other teachers."""
        return dict.fromkeys((*([self.start] if self.start else []), *self.teachers), ("torch",))

    @property
    def contradiction(self) -> str | None:
        """Two places to start from, or a file of answers beside what only a teacher can answer."""
        if self.start and self.student:
            return "start and student both say what the student starts from; give one"
        beside = {
            "teachers": bool(self.teachers),
            "hidden_weight": self.hidden_weight > 0,
            "augment": self.augment > 0,
            "min_texts": self.min_texts > 0,
            "unlabeled_texts": self.unlabeled_texts is not None,
        }
        if self.soft_labels and (wrong := [key for key, given in beside.items() if given]):
            return f"answers come from a file, but {wrong[0]} needs a teacher that is asked; give one of the two"
        return None

    @property
    def files(self) -> tuple[str, ...]:
        """The answers and the unlabelled texts."""
        return tuple(file for file in (self.soft_labels, self.unlabeled_texts) if file)
