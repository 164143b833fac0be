"""Options of `distill-static`."""

from typing import Annotated

import msgspec

from packlight.steps.step import Positive, Rate, Share, Step, Weight


class DistillStatic(Step, frozen=True, kw_only=True, tag="distill-static"):
    """Teach hashed n-gram embeddings and a small head what the parent knows: microseconds a text, without torch."""

    needs = ("torch",)
    makes = "static"

    buckets: Annotated[int, msgspec.Meta(ge=256, le=1 << 22)] = 32768
    """rows of the embedding, shared by all n-grams that hash alike"""
    embedding_dim: Annotated[int, msgspec.Meta(ge=4, le=1024)] = 128
    hidden_size: Positive = 256
    """neurons of the head"""
    word_ngrams: Annotated[int, msgspec.Meta(ge=1, le=4)] = 2
    """the longest n-gram of words"""
    char_ngrams: tuple[Annotated[int, msgspec.Meta(ge=1, le=8)], ...] = (3, 4, 5)
    """lengths of the n-grams of characters"""
    alpha: Share = 0.1
    temperature: Rate = 2.0
    logit_weight: Weight = 0.05
    augment: Weight = 2.0
    """unlabelled texts made of the training texts, for each of them, that the teacher answers"""
    unlabeled_texts: str | None = None
    """a file of unlabelled texts, one a line, that the teacher answers"""
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.3
    """share of a text's n-grams that are left out in training"""
    epochs: Positive = 12
    learning_rate: Rate = 3e-3
    batch_size: Positive = 64
    max_length: Annotated[int, msgspec.Meta(ge=4, le=8192)] = 128
    """texts are cut to so many words"""
    threads: Positive | None = None
    """threads that it trains on; null for all that this process may use"""

    @property
    def files(self) -> tuple[str, ...]:
        """The unlabelled texts."""
        return (self.unlabeled_texts,) if self.unlabeled_texts else ()
