"""Options that several verbs share, said once."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.analysis.capacity import PriceTable, read_prices
from packlight.errors import RecipeError
from packlight.steps.step import OosRate

Model = Annotated[
    str,
    typer.Option("--model", "-m", help="A Hub id, a local folder, or `minilm`; an encoder or a fine-tuned classifier."),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder that results are written to.")]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Threads of every measured variant; all that this process may use by default."),
]
TrainThreads = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="CPU threads for training. Defaults to those that the run began with, at first the container's CPU limit. "
        "Another number trains another model.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output instead of tables.")]
Remeasure = Annotated[bool, typer.Option("--remeasure", help="Measure again even if nothing changed.")]
Rounds = Annotated[int, typer.Option(min=2, help="Least number of rounds; each times every text on every variant.")]
Seconds = Annotated[
    float,
    typer.Option(
        min=0, help="Time limit for measuring speed. Stops earlier, once every speedup is known to within 5 %."
    ),
]
NoTexts = Annotated[
    bool, typer.Option("--no-texts", help="Quote no text in report.html, so that it can be shared where texts cannot.")
]
RunFolder = Annotated[Path, typer.Argument(help="A run's folder, or its measurements.json.", metavar="RUN")]
Rate = Annotated[float, typer.Option(help="Requests per second.")]
Utilisation = Annotated[float, typer.Option(help="The largest share of time that workers may be busy.")]
P99 = Annotated[
    float | None, typer.Option("--p99-ms", help="Milliseconds that 99 % of requests may take, wait included.")
]
Traffic = Annotated[
    str | None,
    typer.Option(
        metavar="<float|val>",
        help="Share of out-of-scope texts that the traffic will have, or `val` where it has that of val; not stated, "
        "`calibrate` chooses for the worst share, and `cascade` counts val as it is.",
    ),
]
Prices = Annotated[
    Path | None, typer.Option(help="A YAML file of machines and prices; `packlight plan --show-prices`.")
]


LabelMap = Annotated[
    Path | None,
    typer.Option(help="JSON file that maps labels of a classifier to labels of the data.", show_default="same names"),
]
NewHead = Annotated[
    bool, typer.Option("--new-head", help="Train a new classification head, whatever head the model has.")
]
ExtendLabels = Annotated[
    bool,
    typer.Option(
        "--extend-labels", help="Keep the labels that a classifier knows, and add the data's other labels to its head."
    ),
]


def rate_of(words: str | None) -> OosRate | None:
    """The rate that `--oos-rate` states.

    Raises:
        RecipeError: when it is no number, nor `val`.
    """
    if words is None or words == "val":
        return words  # type: ignore[return-value] # mypy does not narrow a str to a literal
    try:
        return float(words)
    except ValueError as error:
        raise RecipeError(f"--oos-rate {words}: give a share above 0 and below 1, such as 0.2, or `val`") from error


def place_of(run: Path) -> Path:
    """The folder of a run that is named by itself or by its measurements.json."""
    return run if run.is_dir() else run.parent


def prices_of(path: Path | None) -> PriceTable | None:
    """The price table that `--prices` names; None for the shipped one."""
    return None if path is None else read_prices(path)
