"""Options that several verbs share, said once."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.capacity import PriceTable, read_prices
from packlight.dataset import Dataset, load_dataset

Data = Annotated[
    str,
    typer.Option(
        "--data",
        "-d",
        help="Labelled texts: a CSV, JSONL or Parquet file, a folder of split files, CLINC150's JSON, a Hub id such as "
        "clinc/clinc_oos:plus, or `sample`.",
    ),
]
TextColumn = Annotated[str | None, typer.Option(help="The column with the texts; guessed by its name.")]
LabelColumn = Annotated[str | None, typer.Option(help="The column with the labels; guessed by its name.")]
OosLabel = Annotated[str | None, typer.Option(help="The label that means out of scope; found by its name.")]
Model = Annotated[
    str,
    typer.Option("--model", "-m", help="A Hub id, a local folder, or `minilm`; an encoder or a fine-tuned classifier."),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder that results are written to.")]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Threads of every measured variant; all that this process may use by default."),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output instead of tables.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Passes over the training texts.")]
LearningRate = Annotated[float | None, typer.Option(min=0, help="Rate of the encoder's layers.")]
MaxLength = Annotated[int | None, typer.Option(min=4, help="Texts are cut to so many tokens.")]
Again = Annotated[bool, typer.Option("--again", help="Measure anew though nothing changed, as after a noisy time.")]
RunFolder = Annotated[Path, typer.Argument(help="A run's folder, or its measurements.json.", metavar="RUN")]
Rate = Annotated[float, typer.Option(help="Requests per second.")]
Utilisation = Annotated[float, typer.Option(help="The largest share of time that workers may be busy.")]
P99 = Annotated[
    float | None, typer.Option("--p99-ms", help="Milliseconds that 99 % of requests may take, wait included.")
]
Prices = Annotated[
    Path | None, typer.Option(help="A YAML file of machines and prices; `packlight plan --show-prices`.")
]


def read_data(
    source: str,
    text_column: str | None = None,
    label_column: str | None = None,
    oos_label: str | None = None,
    seed: int = 0,
) -> Dataset:
    """The data set that the options name."""
    return load_dataset(source, text_column=text_column, label_column=label_column, oos_label=oos_label, seed=seed)


def place_of(run: Path) -> Path:
    """The folder of a run that is named by itself or by its measurements.json."""
    return run if run.is_dir() else run.parent


def prices_of(path: Path | None) -> PriceTable | None:
    """The price table that `--prices` names; None for the shipped one."""
    return None if path is None else read_prices(path)
