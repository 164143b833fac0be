"""Options that several verbs share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from packlight.errors import RecipeError
from packlight.steps.step import OosRate

if TYPE_CHECKING:
    from packlight.analysis.capacity import PriceTable

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Model to start from: an encoder or a fine-tuned classifier. A Hub id, a folder, `minilm` or `mpnet`.",
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Threads per inference. Defaults to the container's CPU limit."),
]
MeasuredThreads = Annotated[
    int,
    typer.Option(min=1, help="Threads per inference of every measured variant. A worker of the server has one."),
]
TrainThreads = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="CPU threads for training. Chosen by a short trial by default, or the number that a resumed run "
        "started with. Another number gives a slightly different model.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output instead of tables.")]
Remeasure = Annotated[bool, typer.Option("--remeasure", help="Measure again even if nothing changed.")]
Rounds = Annotated[
    int,
    typer.Option(
        min=2, help="Minimum number of rounds if --seconds allows it. Each round times every variant on its texts."
    ),
]
TimedTexts = Annotated[
    int,
    typer.Option(
        min=1, help="Number of texts to time the slowest variant on, one at a time. Faster ones are timed on more."
    ),
]
Seconds = Annotated[
    float,
    typer.Option(
        min=0,
        help="Time limit for measuring speed, in seconds. Stops earlier if every speedup is known to within 5%. "
        "Three rounds are measured in any case.",
    ),
]
NoTexts = Annotated[
    bool, typer.Option("--no-texts", help="Leave all texts out of report.html, so that you can share it.")
]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run, or its measurements.json.", metavar="RUN")]
Rate = Annotated[float, typer.Option(help="Traffic to plan for, in requests per second.")]
Utilisation = Annotated[float, typer.Option(help="Share of the time that a worker may be busy, from 0 to 1.")]
P99 = Annotated[
    float | None, typer.Option("--p99-ms", help="Maximum p99 latency in milliseconds, including the wait in the queue.")
]
Traffic = Annotated[
    str | None,
    typer.Option(
        metavar="FLOAT|val",
        help="Expected share of out-of-scope texts in your traffic, or `val` for the share in val. By default, `calibrate` "
        "assumes the worst share and `cascade` the share in val.",
    ),
]
MaxLength = Annotated[
    int | None,
    typer.Option(
        help="Truncate texts to this many tokens. Chosen from the training data by default, up to the model's limit."
    ),
]
LongTexts = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What to do with longer texts: keep the `head`, keep `head+tail`, or read the whole text in `windows` and "
        "average their logits.",
    ),
]
Abstain = Annotated[
    float | None,
    typer.Option(
        help="In-scope accuracy on val that each variant gives up by abstaining from uncertain texts, such as 0.02. "
        "Only if train has no out-of-scope texts. If val has some, they choose the threshold instead."
    ),
]
Prices = Annotated[
    Path | None,
    typer.Option(help="YAML file with machines and prices. `packlight plan --show-prices` prints one to start from."),
]


LabelMap = Annotated[
    Path | None,
    typer.Option(help="JSON file that maps labels of a classifier to labels of the data.", show_default="same names"),
]
NewHead = Annotated[
    bool, typer.Option("--new-head", help="Train a new classification head, and discard the model's own.")
]
ExtendLabels = Annotated[
    bool,
    typer.Option(
        "--extend-labels", help="Keep the labels that a classifier knows, and add the data's other labels to its head."
    ),
]


def rate_of(words: str | None) -> OosRate | None:
    """The value of `--oos-rate`.

    Raises:
        RecipeError: if it is neither a number nor `val`.
    """
    if words is None or words == "val":
        return words  # type: ignore[return-value] # mypy does not narrow a str to a literal
    try:
        return float(words)
    except ValueError as error:
        raise RecipeError(f"--oos-rate {words}: give a share above 0 and below 1, such as 0.2, or `val`") from error


def place_of(run: Path) -> Path:
    """The folder of a run, given that folder or its measurements.json."""
    return run if run.is_dir() else run.parent


def prices_of(path: Path | None) -> "PriceTable | None":
    """The price table that `--prices` names; None stands for the built-in one."""
    if path is None:
        return None
    from packlight.analysis.capacity import read_prices  # only for those who give a file

    return read_prices(path)
