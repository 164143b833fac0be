"""Options of `trim-vocabulary`."""

from typing import Annotated

from packlight.steps.step import Positive, Step, described


class TrimVocabulary(Step, frozen=True, kw_only=True, tag="trim-vocabulary"):
    """Remove the tokens that your texts don't use from the vocabulary and the embeddings.

    Enough other tokens stay so that unseen words can still be tokenized.
    """

    needs = ("torch",)
    makes = "torch"
    keeps_model = True
    artifact_name = "trimmed"
    example = "artifacts/teacher --data intents.csv --vocab-size 8000"

    vocab_size: Annotated[
        Positive | None,
        described(
            "Number of tokens to keep: those in the training texts first, then the tokenizer's most frequent ones.",
            null="those in use, and single characters",
        ),
    ] = None
    corpus: Annotated[
        str | None,
        described(
            "File of more texts, one per line, whose tokens are kept too.", null="training texts only", takes="file"
        ),
    ] = None

    @property
    def files(self) -> tuple[str, ...]:
        """The corpus."""
        return (self.corpus,) if self.corpus else ()
