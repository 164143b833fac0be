"""`packlight trim`: the vocabulary cut to what the texts need."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.cli import options
from packlight.cli.making import Origin, checked, given, make, name_of
from packlight.cli.source import DataOptions, with_data_options
from packlight.data.text_file import read_lines
from packlight.steps.trim_vocabulary.options import TrimVocabulary


@with_data_options
def trim(
    model: Origin,
    source: DataOptions,
    out: options.Out = Path("artifacts/trimmed"),
    vocab_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="So many pieces of the vocabulary stay: those in use first, then the tokenizer's most frequent; by "
            "default those in use and single characters.",
        ),
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="A file of texts, one a line, whose pieces count as used as well.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Cut a classifier's vocabulary, and its embedding, to the pieces that the training texts use.

    Example: `packlight trim artifacts/teacher --data intents.csv --vocab-size 8000 --out artifacts/trimmed`
    """
    step = TrimVocabulary(
        name=name_of(out), **given(vocab_size=vocab_size, corpus=None if corpus is None else str(corpus))
    )
    checked(step)
    if corpus is not None:
        # A file that cannot be read is found out before the model is opened.
        read_lines(corpus)
    make(step, source.read(), out, source.seed, as_json, origin=model)
