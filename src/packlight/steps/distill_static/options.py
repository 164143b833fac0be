"""Options of `distill-static`."""

from typing import Annotated, Literal

import msgspec

from packlight.steps.step import Name, Positive, Rate, Step, described
from packlight.steps.training.options import (
    Alpha,
    Augment,
    Dropout,
    LogitWeight,
    MaxLength,
    MinTexts,
    NewWords,
    Teachers,
    Temperature,
    Threads,
    UnlabeledTexts,
)


class DistillStatic(Step, frozen=True, kw_only=True, tag="distill-static"):
    """Train hashed n-gram embeddings with a small head on a teacher's predictions.

    The result classifies a text in microseconds and needs only NumPy.
    """

    needs = ("torch",)
    makes = "static"
    trains = "teacher"
    next_step = "calibrate"
    artifact_name = "static"
    example = "artifacts/teacher --data intents.csv --out artifacts/static"

    teachers: Teachers = ()
    buckets: Annotated[
        Annotated[int, msgspec.Meta(ge=256, le=1 << 22)],
        described(
            "Rows of the embedding table. N-grams with the same hash share a row.",
            searched=(4096, 8192, 16384, 32768, 65536),
        ),
    ] = 32768
    embedding_dim: Annotated[
        Annotated[int, msgspec.Meta(ge=4, le=1024)],
        described("Columns of the embedding table.", searched=(32, 64, 128)),
    ] = 128
    embeddings: Annotated[
        Literal["int8", "int4"],
        described(
            "Number format of the embedding table. `int4` halves it, so that twice the rows fit into the same size."
        ),
    ] = "int8"
    word_vectors: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=1 << 20)],
        described(
            "Maximum number of words with a vector of their own, which the first teacher gives them: words of the training texts, "
            "then words of its vocabulary. 0 for none.",
            searched=(0, 5000, 20_000),
        ),
    ] = 20_000
    word_dim: Annotated[
        Annotated[int, msgspec.Meta(ge=2, le=1024)],
        described("Columns of the table of words, an even number. Its values are int4."),
    ] = 192
    hidden_size: Annotated[Positive, described("Neurons in the hidden layer of the head.")] = 256
    word_ngrams: Annotated[Annotated[int, msgspec.Meta(ge=1, le=4)], described("Longest word n-gram, in words.")] = 2
    char_ngrams: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=1, le=8)], ...], described("Lengths of the character n-grams.")
    ] = (3, 4, 5)
    alpha: Alpha = 0.1
    temperature: Temperature = 2.0
    logit_weight: LogitWeight = 0.05
    augment: Augment = 2.0
    min_texts: MinTexts = 0
    new_words: NewWords = False
    unlabeled_texts: UnlabeledTexts = None
    dropout: Annotated[Dropout, described("Share of a text's n-grams to leave out during training.")] = 0.3
    epochs: Annotated[Positive, described("Passes over the training texts.")] = 12
    learning_rate: Annotated[Rate, described("Learning rate at the start. It falls to 0.")] = 3e-3
    batch_size: Annotated[Positive, described("Texts per update.")] = 64
    max_length: Annotated[
        MaxLength | None,
        described(
            "Truncate texts to this many words.", null="the length that 99.9% of the training texts don't exceed"
        ),
    ] = None
    bf16: Annotated[bool | None, described("Run the teacher in bfloat16.", null="if the device supports it")] = None
    threads: Threads = None

    @property
    def other_parents(self) -> dict[Name, tuple[str, ...]]:
        """The other teachers."""
        return dict.fromkeys(self.teachers, ("torch",))

    @property
    def planned_epochs(self) -> int:
        """The stated epochs."""
        return self.epochs

    @property
    def contradiction(self) -> str | None:
        """Check that int4 values come in pairs."""
        if self.word_vectors and self.word_dim % 2:
            return f"word vectors store two values per byte, but word_dim is {self.word_dim}; make it even"
        if self.embeddings == "int4" and self.embedding_dim % 2:
            return (
                f"embeddings: int4 stores two values per byte, but embedding_dim is {self.embedding_dim}; make it even"
            )
        return None

    @property
    def files(self) -> tuple[str, ...]:
        """The unlabelled texts."""
        return (self.unlabeled_texts,) if self.unlabeled_texts else ()

    def tensor_bytes(self, labels: int, words: int | None = None) -> int:
        """Bytes of the student's tensors: rows in int8 or int4, an int8 head, and float32 scales and biases.

        Args:
            labels: number of classes.
            words: number of words that there are to know; at least `word_vectors` by default.
        """
        table = self.buckets * self.embedding_dim // (2 if self.embeddings == "int4" else 1)
        breadth = self.word_dim if self.word_vectors else 0
        known = self.word_vectors if words is None else min(words, self.word_vectors)
        head = (self.embedding_dim + breadth + labels) * self.hidden_size
        return (
            table
            + known * (breadth // 2 + 8)
            + 4 * breadth
            + head
            + 4 * (self.embedding_dim + 2 * (self.hidden_size + labels))
        )
