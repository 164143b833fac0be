"""Options of `trim-vocabulary`."""

from packlight.steps.step import Positive, Step


class TrimVocabulary(Step, frozen=True, kw_only=True, tag="trim-vocabulary"):
    """Keep the pieces of the vocabulary that the texts use, with enough others that unseen words still segment."""

    needs = ("torch",)
    makes = "torch"

    vocab_size: Positive | None = None
    """so many are kept: those that the texts use first, then the tokenizer's most frequent; null for those in use"""
    corpus: str | None = None
    """a file of texts, one a line, whose pieces are kept as well"""

    @property
    def files(self) -> tuple[str, ...]:
        """The corpus."""
        return (self.corpus,) if self.corpus else ()
