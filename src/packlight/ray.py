"""Score a Ray Data set: `packlight.ray.score(dataset, artifact)`, on whatever cluster it runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from packlight.scoring.fragment_job import WINDOW_ROWS, windows_of
from packlight.scoring.packed import Packed, pack, scorer_of
from packlight.scoring.settings import ScorerSettings, scorer_settings


def score(
    dataset: Any,
    artifact: str | Path,
    *,
    text_column: str = "text",
    keep: Sequence[str] | None = None,
    top_k: int = 1,
    prefix: str = "",
    actors: int | tuple[int, int] | None = None,
) -> Any:
    """Add `label`, `score`, `out_of_scope` and `error` to the rows of a Ray Dataset, lazily.

    Args:
        dataset: a `ray.data.Dataset`.
        artifact: an artifact's folder on this machine; it is sent through the object store.
        text_column: column of the texts.
        keep: columns to keep in the result. Defaults to all.
        top_k: number of labels to return for each text. Above 1, they are in the column `top`.
        prefix: prefix for the names of the new columns.
        actors: number of actors, each on one core, or their minimum and maximum. By default, from one
            to as many as the cluster has cores for.

    Returns:
        A `ray.data.Dataset`.

    Raises:
        PacklightError: if `top_k` is not a whole number of 1 or more.
        ArtifactError: if the folder is incomplete or was altered.
    """
    import ray

    settings = scorer_settings(text_column=text_column, keep=keep, top_k=top_k, prefix=prefix)
    least, most = (actors, actors) if isinstance(actors, int) else actors or (1, None)
    return dataset.map_batches(
        BatchScorer,
        fn_constructor_args=(ray.put(pack(artifact)), settings),
        batch_format="pyarrow",
        batch_size=WINDOW_ROWS,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(min_size=least, max_size=most),
    )


class BatchScorer:
    """The actor that scores batches."""

    def __init__(self, packed: Any, settings: ScorerSettings) -> None:
        """Open the artifact, once for each actor."""
        import ray

        given: Packed = ray.get(packed) if isinstance(packed, ray.ObjectRef) else packed
        self._scorer = scorer_of(given, settings)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Score one batch."""
        windows = windows_of(table.to_batches(), self._scorer.settings.text_column)
        return pa.Table.from_batches(map(self._scorer, windows), self._scorer.schema(table.schema))
