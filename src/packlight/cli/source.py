"""`--data` and its related options, for every command that needs labelled texts."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any

import typer

from packlight.data import Dataset, load_dataset
from packlight.data.load import SAMPLE

Data = Annotated[
    str,
    typer.Option(
        "--data",
        "-d",
        help="Labelled texts: a CSV, JSONL, Parquet or spreadsheet file, a folder of split files, CLINC150's JSON, a Hub id such "
        "as clinc/clinc_oos:plus, or `sample` for the bundled sample.",
    ),
]
PANEL = "Data options"
TextColumn = Annotated[
    str | None, typer.Option(rich_help_panel=PANEL, help="Column with the texts. Detected by its name by default.")
]
LabelColumn = Annotated[
    str | None, typer.Option(rich_help_panel=PANEL, help="Column with the labels. Detected by its name by default.")
]
OosLabel = Annotated[
    str | None,
    typer.Option(rich_help_panel=PANEL, help="Label of out-of-scope texts. Detected by its name by default."),
]
Encoding = Annotated[
    str | None,
    typer.Option(rich_help_panel=PANEL, help="Encoding of text files, such as cp1252. Detected by default."),
]
RareLabels = Annotated[
    str,
    typer.Option(
        "--rare",
        metavar="NAME",
        rich_help_panel=PANEL,
        help="What to do with labels that have a single text when splits are made: `keep` them in train, or `drop` them.",
    ),
]
Seed = Annotated[int, typer.Option(help="Random seed.")]
OPTIONS: dict[str, tuple[Any, Any]] = {
    "data": (Data, SAMPLE),
    "text_column": (TextColumn, None),
    "label_column": (LabelColumn, None),
    "oos_label": (OosLabel, None),
    "encoding": (Encoding, None),
    "rare": (RareLabels, "keep"),
    "seed": (Seed, 0),
}


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Where to find labelled texts, and how to read and split them."""

    data: str
    text_column: str | None
    label_column: str | None
    oos_label: str | None
    encoding: str | None
    rare: str
    seed: int

    def read(self) -> Dataset:
        """Load the data set. Raises what `load_dataset` raises."""
        return load_dataset(
            self.data,
            text_column=self.text_column,
            label_column=self.label_column,
            oos_label=self.oos_label,
            encoding=self.encoding,
            rare=self.rare,  # type: ignore[arg-type] # checked there
            seed=self.seed,
        )


def with_data_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter `source` by several options: `--data` in its place, the others last."""

    @functools.wraps(verb)
    def call(**options: Any) -> None:
        verb(source=DataOptions(**{name: options.pop(name) for name in OPTIONS}), **options)

    asked = {
        name: Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in OPTIONS.items()
    }
    own = [
        asked.pop("data") if each.name == "source" else each.replace(kind=Parameter.KEYWORD_ONLY)
        for each in inspect.signature(verb).parameters.values()
    ]
    parameters = [*own, *asked.values()]
    # typer reads the options from here.
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call
