"""The search space: the parameters of a trial, as a frozen record, and their ranges.

The values to try for a step's option are next to its description (`described(..., searched=...)`). This module has the
shares of the teacher's size, and what follows from the data.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

import msgspec
from tokenizers import Tokenizer

from packlight.data import Dataset
from packlight.runtime.artifact import Artifact
from packlight.steps.distill.options import Distill
from packlight.steps.distill_static.options import DistillStatic
from packlight.steps.option import options_of
from packlight.steps.quantize_onnx.options import QuantizeOnnx
from packlight.steps.step import Span, Step

Family = Literal["transformer", "static", "cascade"]
FAMILIES: tuple[Family, ...] = get_args(Family)
WIDTHS = (100, 75, 50, 25)
"""percent of the feed-forward neurons to keep"""
HIDDEN = (100, 84, 67, 50)
"""percent of the channels of the hidden states to keep, such that 12 heads become 10, 8 or 6"""
HEADS = (100, 75, 50)
"""percent of the attention heads to keep, if the hidden states can't be made narrower"""
PIECES = (0, 400, 200, 100, 50)
"""percent of the tokens in use to keep; above 100, the tokenizer's most frequent ones are added; 0 for the whole
vocabulary"""
PLAIN = Distill(name="plain")
"""a student with default options"""
Mode = Literal["dynamic", "static"]
Bits = Literal["int8", "int4"]


class Student(msgspec.Struct, frozen=True, kw_only=True):
    """A transformer student: its shape, how it is trained, and how it is quantized to int8."""

    layers: int
    feed_forward: int
    hidden: int
    heads: int
    pieces: int
    augment: int
    alpha: float
    temperature: float
    logit_weight: float
    learning_rate: float
    epochs: int
    int8: Mode
    embeddings: Bits


class Ngrams(msgspec.Struct, frozen=True, kw_only=True):
    """A static student."""

    buckets: int
    width: int
    word_vectors: int
    ngram_augment: int


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """A trial: a student, n-grams, or a cascade of both."""

    student: Student | None = None
    ngrams: Ngrams | None = None

    @property
    def family(self) -> Family:
        """The kind of model."""
        if self.student is None:
            return "static"
        return "transformer" if self.ngrams is None else "cascade"

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters, by the sampler's names."""
        parts = [msgspec.structs.asdict(part) for part in (self.student, self.ngrams) if part is not None]
        return {"family": self.family} | {name: value for part in parts for name, value in part.items()}


class Suggester(Protocol):
    """The source of values to try: an Optuna trial."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """A whole number, both ends included."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number."""


@dataclass(frozen=True)
class Space:
    """The ranges, which follow from the teacher and the data."""

    layers: int
    """of the teacher"""
    neurons: int | None
    """neurons in each of its feed-forward blocks; None if they cannot be pruned"""
    heads: int | None
    """heads in each of its layers; None if they cannot be pruned"""
    narrowed: bool
    """whether its hidden states can be made narrower"""
    pieces: int
    """number of tokens that the training texts use"""
    vocabulary: int
    """number of tokens in its vocabulary"""
    words: int
    """number of words that a static student can know: those of the training texts and of the vocabulary"""
    epochs: tuple[int, ...]
    calibrated: bool
    """whether each trial ends with an out-of-scope threshold"""
    max_length: int
    families: tuple[Family, ...] = FAMILIES
    abstain: float | None = None
    """in-scope accuracy on val that each trial's variant gives up by abstaining; None to never abstain"""
    student_options: Mapping[str, Any] = field(default_factory=dict)
    """options of `distill` that are the same in all trials"""
    ngram_options: Mapping[str, Any] = field(default_factory=dict)
    """the same of `distill-static`"""

    def suggest(self, trial: Suggester) -> Design:
        """The design that a sampler proposes."""
        family = trial.suggest_categorical("family", self.families)
        student = self._student(trial) if family != "static" else None
        return Design(student=student, ngrams=_ngrams(trial) if family != "transformer" else None)

    def first(self) -> tuple[Design, ...]:
        """The first designs to try: a plain one of each family."""
        student = Student(
            layers=math.ceil(self.layers / 2),
            feed_forward=100,
            hidden=100,
            heads=100,
            pieces=200,
            augment=1,
            alpha=PLAIN.alpha,
            temperature=PLAIN.temperature,
            logit_weight=0.05,
            learning_rate=PLAIN.learning_rate,
            epochs=self.epochs[len(self.epochs) // 2],
            int8="dynamic",
            embeddings="int8",
        )
        ngrams = Ngrams(buckets=32768, width=64, word_vectors=20_000, ngram_augment=2)
        designs = (
            Design(ngrams=ngrams),
            Design(student=student),
            Design(student=student, ngrams=ngrams),
        )
        return tuple(design for design in designs if design.family in self.families)

    def kept_pieces(self, share: int) -> int:
        """The number of tokens for a share of those in use."""
        return max(1, self.pieces * share // 100)

    def kept_neurons(self, share: int) -> int | None:
        """The number of neurons for a share of the teacher's."""
        return None if self.neurons is None else max(1, self.neurons * share // 100)

    def kept_heads(self, share: int) -> int | None:
        """The number of heads for a share of the teacher's."""
        return None if self.heads is None else max(1, self.heads * share // 100)

    def _student(self, trial: Suggester) -> Student:
        return Student(
            layers=trial.suggest_int("layers", 1, self.layers),
            feed_forward=trial.suggest_categorical("feed_forward", WIDTHS if self.neurons else WIDTHS[:1]),
            hidden=trial.suggest_categorical("hidden", HIDDEN if self.narrowed else HIDDEN[:1]),
            heads=trial.suggest_categorical("heads", HEADS if self.heads and not self.narrowed else HEADS[:1]),
            pieces=trial.suggest_categorical("pieces", PIECES),
            augment=_suggest(trial, Distill, "augment"),
            alpha=_suggest(trial, Distill, "alpha"),
            temperature=_suggest(trial, Distill, "temperature"),
            logit_weight=_suggest(trial, Distill, "logit_weight"),
            learning_rate=_suggest(trial, Distill, "learning_rate"),
            epochs=trial.suggest_categorical("epochs", self.epochs),
            int8=_suggest(trial, QuantizeOnnx, "mode", name="int8"),
            embeddings=_suggest(trial, QuantizeOnnx, "embeddings"),
        )


def _ngrams(trial: Suggester) -> Ngrams:
    return Ngrams(
        buckets=_suggest(trial, DistillStatic, "buckets"),
        width=_suggest(trial, DistillStatic, "embedding_dim", name="width"),
        word_vectors=_suggest(trial, DistillStatic, "word_vectors"),
        ngram_augment=_suggest(trial, DistillStatic, "augment", name="ngram_augment"),
    )


def _suggest(trial: Suggester, step: type[Step], option: str, *, name: str | None = None) -> Any:
    """A value for a step's option, from the values that the option declares. `name` is the sampler's name."""
    name = name or option
    searched = {each.name: each.searched for each in options_of(step)}[option]
    match searched:
        case Span(low=int(low), high=int(high)):
            return trial.suggest_int(name, low, high)
        case Span():
            return trial.suggest_float(name, searched.low, searched.high, step=searched.step, log=searched.log)
        case tuple():
            return trial.suggest_categorical(name, searched)
        case None:
            raise TypeError(
                f"{step.__name__}.{option}: doesn't declare what a search tries; pass `searched` to `described`"
            )


def space_of(teacher: Artifact, data: Dataset, families: Sequence[Family] = FAMILIES) -> Space:
    """The search space for a teacher.

    Epochs are those that a plain student needs for the updates that `distill` requires, and half and twice as many.

    Args:
        teacher: a PyTorch classifier.
        data: labelled texts. `train` determines the tokens in use.
        families: the kinds of model to try.
    """
    from packlight.models.hf_model import open_classifier  # with the next ones, imports torch
    from packlight.models.inspecting import structure_of
    from packlight.models.mean_pooling import encoder_layers
    from packlight.steps.distill_static.known_words import choose_words

    model = open_classifier(teacher.path)
    structure = structure_of(model)
    usual = max(PLAIN.planned_epochs, math.ceil(PLAIN.least_updates / math.ceil(len(data.train) / PLAIN.batch_size)))
    tokenizer = Tokenizer.from_file(str(teacher.tokenizer_path))
    used = {piece for coded in tokenizer.encode_batch(list(data.train.texts)) for piece in coded.ids}
    return Space(
        layers=len(encoder_layers(model)),
        neurons=structure.neurons,
        heads=structure.heads or None,
        narrowed=structure.lacks_width(min(HIDDEN) / 100) is None,
        pieces=len(used),
        vocabulary=tokenizer.get_vocab_size(with_added_tokens=True),
        words=len(choose_words(teacher.tokenizer_path, data.train.texts)),
        epochs=tuple(dict.fromkeys((max(1, usual // 2), usual, 2 * usual))),
        calibrated=data.oos_label in data.label_set and data.oos_label in data.val.labels,
        max_length=teacher.manifest.max_length,
        families=tuple(families),
    )
