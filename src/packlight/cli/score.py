"""`packlight score`: labels for tables of any size."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.cli import options
from packlight.cli.show import print_tables, show_json
from packlight.scoring import score as score_tables
from packlight.scoring.settings import CACHE_TEXTS, ROWS_PER_FILE, OutputFormat, ScoringEngine


def score(
    artifact: Annotated[
        Path, typer.Argument(help="Folder of an artifact, such as runs/latest/variants/student-onnx-static.")
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Parquet, Arrow, CSV, TSV, JSONL or text files, also .gz or .zst: files, folders, patterns such as "
            "'lake/**/*.parquet', or URLs.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the output. Rerun with the same one to resume.")],
    text_column: Annotated[
        str | None, typer.Option(help="Column of the texts. Detected by its name or type by default.")
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(metavar="COLUMNS", help="Columns of the input to keep, such as id,date. Defaults to all."),
    ] = None,
    output_format: Annotated[
        OutputFormat, typer.Option("--format", metavar="<parquet|csv|jsonl>", help="Format of the output.")
    ] = "parquet",
    top_k: Annotated[
        int, typer.Option(min=1, help="Number of labels to return per text. Above 1, they are in the column `top`.")
    ] = 1,
    prefix: Annotated[
        str, typer.Option(help="Prefix for the new columns label, score, out_of_scope, top and error.")
    ] = "",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of processes, each with one thread. Defaults to the container's CPU limit."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score only this many rows, the first ones.")] = None,
    sample: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Score only this share of the rows, at random, such as 0.01.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Stop at the first row without a valid text. By default, such rows get an error."
        ),
    ] = False,
    rows_per_file: Annotated[
        int, typer.Option(min=1, help="Rows per output file; approximate for CSV, JSONL and text.")
    ] = ROWS_PER_FILE,
    cache: Annotated[
        int, typer.Option(min=0, help="Number of texts whose predictions each worker caches. 0 turns the cache off.")
    ] = CACHE_TEXTS,
    engine: Annotated[
        ScoringEngine, typer.Option(help="Run on this machine's cores, or on a Ray cluster (the extra ray).")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            help="Address of the Ray cluster, such as auto. Defaults to the one that Ray finds, or a new one."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Score tables of any size on every core: the same rows come out, with their labels.

    Each part of the input becomes one output file, which appears when it is complete.

    Example: `packlight score runs/latest/variants/student-onnx-static 'lake/**/*.parquet' --out scored --keep id`
    """
    report = score_tables(
        artifact,
        inputs,
        out,
        text_column=text_column,
        keep=None if keep is None else [name.strip() for name in keep.split(",") if name.strip()],
        format=output_format,
        top_k=top_k,
        prefix=prefix,
        workers=workers,
        limit=limit,
        sample=sample,
        strict=strict,
        rows_per_file=rows_per_file,
        cache_texts=cache,
        engine=engine,
        address=address,
    )
    if as_json:
        show_json(report)
        return
    from rich.text import Text

    from packlight.report.scored import summary

    print_tables(Text("\n".join(summary(report))))
