"""`packlight trim`: the vocabulary cut to what the texts need."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.cli import options
from packlight.cli.making import Origin, checked, given, make, name_of
from packlight.cli.source import Source, reads_texts
from packlight.data.text_file import read_lines
from packlight.steps.trim_vocabulary.options import TrimVocabulary


@reads_texts
def trim(
    model: Origin,
    source: Source,
    out: options.Out = Path("artifacts/trimmed"),
    pieces: Annotated[
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

    Example: `packlight trim artifacts/teacher --data intents.csv --pieces 8000 --out artifacts/trimmed`
    """
    step = TrimVocabulary(name=name_of(out), **given(pieces=pieces, corpus=None if corpus is None else str(corpus)))
    checked(step)
    if corpus is not None:
        # A file that cannot be read is found out before the model is opened.
        read_lines(corpus)
    make(step, source.read(), out, source.seed, as_json, origin=model)
