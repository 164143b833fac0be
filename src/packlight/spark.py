"""Score a Spark DataFrame: `packlight.spark.score(df, artifact)`, on the cluster that it lives on."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from packlight.errors import DataError
from packlight.scoring.packed import Packed, pack, scorer_of
from packlight.scoring.settings import ScorerSettings, scorer_settings


def score(
    df: Any,
    artifact: str | Path,
    *,
    text_column: str = "text",
    keep: Sequence[str] | None = None,
    top_k: int = 1,
    prefix: str = "",
    shared: bool = False,
) -> Any:
    """Add `label`, `score`, `out_of_scope` and `error` to the rows of a DataFrame, lazily, with `mapInArrow`.

    Args:
        df: a `pyspark.sql.DataFrame`.
        artifact: an artifact's folder on this machine, which Spark broadcasts to the executors.
        text_column: column of the texts.
        keep: columns to keep in the result. Defaults to all.
        top_k: number of labels to return for each text. Above 1, they are in the column `top`.
        prefix: prefix for the names of the new columns.
        shared: whether every executor has the artifact at the same path, so that it need not be sent.

    Returns:
        A `pyspark.sql.DataFrame`.

    Raises:
        PacklightError: if `top_k` is not a whole number of 1 or more.
        ArtifactError: if the folder is incomplete or was altered.
        DataError: if the text column is missing, or a kept column has the name of a new one.
    """
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    settings = scorer_settings(text_column=text_column, keep=keep, top_k=top_k, prefix=prefix)
    if text_column not in df.columns:
        raise DataError(f"no column {text_column!r}; the columns are {', '.join(map(repr, df.columns))}")
    folder = str(Path(artifact).absolute())
    schema = scorer_of(folder, settings).schema(to_arrow_schema(df.schema))
    return df.mapInArrow(_scoring(folder if shared else pack(folder), settings), from_arrow_schema(schema))


def _scoring(
    artifact: Packed | str, settings: ScorerSettings
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def score_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from map(scorer_of(artifact, settings), batches)

    return score_batches
