"""`packlight predict`: classify texts with an artifact."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from packlight.cli import options
from packlight.cli.show import console, print_tables, show_json
from packlight.cli.source import Encoding
from packlight.cli.without_effect import refuse
from packlight.data.diagnostics import quoted
from packlight.data.text_file import lines_of, texts_of_file
from packlight.errors import DataError
from packlight.formatting import printable
from packlight.runtime.predictor import Prediction, Predictor

BESIDE_LABEL = 22
"""terminal columns for the probability, the gaps and a narrow text"""


def predict(
    artifact: Annotated[
        Path, typer.Argument(help="Folder of an artifact, such as runs/latest/variants/student-onnx-static.")
    ],
    texts: Annotated[
        list[str] | None,
        typer.Argument(help="Texts to classify. Without any, those of --file, or the lines of standard input."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="File of texts, one per line, or a CSV, JSONL, Parquet or spreadsheet file with a column of texts."
        ),
    ] = None,
    text_column: Annotated[
        str | None, typer.Option(help="Column of --file with the texts. Detected by its name by default.")
    ] = None,
    encoding: Encoding = None,
    top_k: Annotated[int, typer.Option(min=1, help="Number of labels to return per text.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Threads per inference. Defaults to one or all, whichever was better when the artifact was measured, or to "
            "the container's CPU limit.",
        ),
    ] = None,
    provider: Annotated[
        list[str] | None,
        typer.Option(help="ONNX Runtime execution provider, such as `cpu` or `cuda`. Can be repeated."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Classify texts with an artifact.

    Example: `packlight predict runs/latest/variants/student-onnx-static "wake me up at six"`
    """
    if texts:
        of_files = {"--file": file, "--text-column": text_column, "--encoding": encoding}
        refuse(of_files, "is for texts in a file, but there are texts on the command line; omit one of them")
    elif file is None:
        refuse({"--text-column": text_column}, "is for --file; standard input has one text per line")
    asked = _whole(texts) if texts else _texts_of(file, text_column, encoding)
    predictor = Predictor.open(artifact, threads=threads, batches=len(asked) > 1, providers=provider or ["cpu"])
    answers = predictor.predict(asked, top_k=top_k)
    if as_json:
        show_json(answers)
    else:
        print_tables(_table(answers))


def _whole(texts: list[str]) -> list[str]:
    """Check that each text is UTF-8: other bytes from the shell arrive as surrogates."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"the text {quoted(text)} is not UTF-8; give it in UTF-8, or in a file to --file"
            ) from error
    return texts


def _texts_of(file: Path | None, text_column: str | None, encoding: str | None) -> list[str]:
    if file is not None:
        return texts_of_file(file, text_column=text_column, encoding=encoding)
    if sys.stdin.isatty():
        raise DataError("no texts; give them as arguments, in --file or on standard input, one per line")
    try:
        content = sys.stdin.buffer.read()
    except OSError as error:
        raise DataError(f"cannot read standard input ({error.strerror}); give texts, one per line") from error
    return lines_of("standard input", content, encoding=encoding)


def _table(answers: list[Prediction]) -> Table:
    rows = []
    for answer in answers:
        for rank, each in enumerate(answer.top):
            mark = " (out of scope)" if rank == 0 and answer.out_of_scope else ""
            text = "" if rank else printable(answer.text) + (" (truncated)" if answer.truncated else "")
            rows.append((Text(text), Text(printable(each.label) + mark), f"{each.score:.1%}"))
    longest = max((label.cell_len for _, label, _ in rows), default=0)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("text", overflow="fold")
    # A label is never shortened: the text makes room for it, or the label wraps.
    table.add_column("label", overflow="fold", no_wrap=longest <= console().width - BESIDE_LABEL)
    table.add_column("probability", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
