"""Options of the verbs that teach a student."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.data import Dataset
from packlight.data.text_file import read_lines

Augment = Annotated[
    float | None,
    typer.Option(
        min=0, help="Unlabelled texts made of the training texts, for each of them, that the teacher answers."
    ),
]
ExtraTexts = Annotated[
    Path | None, typer.Option(help="A file of unlabelled texts, one a line, that the teacher answers.")
]
LogitWeight = Annotated[
    float | None,
    typer.Option(min=0, help="Weight of the squared error between the logits of student and teacher."),
]


def word(file: Path | None) -> str | None:
    """A file as a step's option names it."""
    return None if file is None else str(file)


def check_files(unlabeled_texts: Path | None, soft_labels: Path | None, data: Dataset) -> None:
    """Read the files once, so that one that cannot be read is found out before a model is opened.

    Raises:
        DataError: names the file and its line.
    """
    if unlabeled_texts is not None:
        read_lines(unlabeled_texts)
    if soft_labels is not None:
        from packlight.steps.training.soft_labels import read_answers  # seconds that --help need not wait for

        read_answers(soft_labels, data.labels)
