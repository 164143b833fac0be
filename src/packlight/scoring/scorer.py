"""The scorer: it takes an Arrow batch and returns the same rows with their labels.

The workers of `packlight score` and the engines for clusters call it. A pickled scorer holds its
artifact's path and its settings. Unpickled elsewhere, it opens and verifies that folder there.
"""

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from packlight.errors import DataError
from packlight.runtime.artifact import Artifact
from packlight.runtime.batches import by_length
from packlight.runtime.decision import probabilities
from packlight.runtime.engine import Logits
from packlight.runtime.engines import open_engine
from packlight.runtime.golden import has_golden, replay
from packlight.scoring.counts import Counts
from packlight.scoring.settings import READ_ERROR, ScorerSettings
from packlight.scoring.text_column import Bad, check_text_column, texts_of

BATCH_TOKENS = 512
"""number of tokens in a batch; 256 to 1,024 were equally fast on one thread, for students of 3 layers
(docs/decisions/0032)"""
BATCH_TEXTS = 256
"""number of texts in a batch of an engine that runs each text alone"""
NOT_FINITE = "the model's logits are not finite"
LONGEST_KEPT = 300
"""maximum number of characters of a cached text; longer ones seldom repeat, and would make the cache's size
unpredictable"""


class BatchDependenceWarning(UserWarning):
    """An artifact's predictions depend on the batch, so its texts run one at a time."""


class Answer(NamedTuple):
    """The artifact's prediction for a text."""

    label: int
    score: float
    out_of_scope: bool
    truncated: bool
    top: tuple[tuple[int, float], ...]
    """the most likely labels with their probabilities; empty if only one is requested"""
    error: str | None = None


class Scorer:
    """An artifact, opened on one thread, that scores Arrow batches."""

    def __init__(self, artifact: str | Path, settings: ScorerSettings) -> None:
        """Verify and open an artifact's folder, and replay its golden texts if it has any.

        Args:
            artifact: the folder.
            settings: the column to score, and the columns to return.

        Raises:
            ArtifactError: if the folder is incomplete or was altered.
            ReplayError: if its golden texts get other logits than when it was made.
            MissingExtraError: if its engine is not installed.

        Warns:
            BatchDependenceWarning: if its predictions depend on the batch.
        """
        self._given = str(artifact), settings
        self.settings = settings
        self.artifact = Artifact.open(Path(artifact))
        self._engine = open_engine(self.artifact, threads=1)
        if has_golden(self.artifact):
            replay(self.artifact, self._engine)
        warn_of_batch_dependence(self.artifact)
        self._labels = pa.array(self._engine.labels, pa.string())
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self.counts = Counts()
        """the counts of all batches since `reset`"""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path and the settings, not the weights."""
        return Scorer, self._given

    def reset(self) -> None:
        """Clear the cache and the counts.

        The last bits of float32 results depend on what else was in a batch. After a reset, results don't depend on
        what was scored before.
        """
        self._answers.clear()
        self.counts = Counts()

    def schema(self, given: pa.Schema) -> pa.Schema:
        """The columns of the result for a batch with these columns.

        Raises:
            DataError: if a kept column has the name of a new one.
        """
        types = {
            "label": pa.string(),
            "score": pa.float32(),
            "out_of_scope": pa.bool_(),
            "top": TOP,
            "error": pa.string(),
        }
        kept = [field for field in given if self.settings.keeps(field.name)]
        new = [
            pa.field(name, types[name.removeprefix(self.settings.prefix)])
            for name in self.settings.new_columns(given.names)
        ]
        return pa.schema([*kept, *new], metadata=given.metadata)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Score a batch: the same rows in the same order, with new columns after those that are kept.

        `label` (string), `score` (float32, its probability), `out_of_scope` (bool), `top` (list of label and score, if
        `top_k` is above 1) and `error` (string). A row whose text is null or not UTF-8 has only an `error`.

        Raises:
            DataError: if the text column is missing or holds no texts, or a kept column has the name of a new one.
        """
        schema = self.schema(batch.schema)
        name = self.settings.text_column
        if name not in batch.schema.names:
            raise DataError(f"no column {name!r}: the columns are {', '.join(map(repr, batch.schema.names))}")
        check_text_column(batch.schema.field(name).type, name)
        texts, bad = texts_of(batch.column(name))
        if READ_ERROR in batch.schema.names:
            for place, error in enumerate(batch.column(READ_ERROR).to_pylist()):
                if error is not None:
                    texts[place], bad[place] = None, error
        answers, inferences = self._answer([text for text in texts if text is not None])
        rows = [None if text is None else answers[text] for text in texts]
        bad |= {place: row.error for place, row in enumerate(rows) if row is not None and row.error is not None}
        good = [row if place not in bad else None for place, row in enumerate(rows)]
        self._count(good, bad, inferences)
        kept = [batch.column(field.name) for field in batch.schema if self.settings.keeps(field.name)]
        return pa.RecordBatch.from_arrays([*kept, *self._columns(good, bad)], schema=schema)

    def _answer(self, texts: Sequence[str]) -> tuple[dict[str, Answer], int]:
        """The prediction for each text, and the number of texts that the model ran on."""
        answers: dict[str, Answer] = {}
        new: list[str] = []
        for text in dict.fromkeys(texts):
            known = self._answers.get(text)
            if known is None:
                new.append(text)
            else:
                self._answers.move_to_end(text)
                answers[text] = known
        for text, answer in zip(new, self._infer(new), strict=True):
            answers[text] = answer
            if len(text) <= LONGEST_KEPT and self.settings.cache_texts:
                self._answers[text] = answer
        while len(self._answers) > self.settings.cache_texts:
            self._answers.popitem(last=False)
        return answers, len(new)

    def _infer(self, texts: Sequence[str]) -> list[Answer]:
        # Only texts that are sorted by length must be encoded together, and encoded texts take memory.
        most = len(texts) if self._engine.info.pads else BATCH_TEXTS
        starts = range(0, len(texts), max(1, most))
        return [answer for start in starts for answer in self._run(texts[start : start + most])]

    def _run(self, texts: Sequence[str]) -> list[Answer]:
        engine = self._engine
        encoded = engine.encode(texts)
        cut = engine.truncated(texts, encoded)
        answers: list[Answer | None] = [None] * len(texts)
        for places in self._batches([len(each) for each in encoded]):
            logits = engine.logits([encoded[place] for place in places])
            for place, answer in zip(places, self._decide(logits, [cut[place] for place in places]), strict=True):
                answers[place] = answer
        return answers  # type: ignore[return-value] # each place comes once

    def _batches(self, lengths: Sequence[int]) -> Sequence[Sequence[int]]:
        """The indices of the texts in each batch."""
        if not self.artifact.manifest.batch_invariant:
            return [[place] for place in range(len(lengths))]
        # Padding would take most of the time, and float32 results depend on it. A table has enough texts of each length.
        return by_length(lengths, budget=BATCH_TOKENS, padding=0) if self._engine.info.pads else [range(len(lengths))]

    def _decide(self, logits: Logits, cut: Sequence[bool]) -> list[Answer]:
        """The decisions for logits [texts, labels] at once, each as from `decide`."""
        finite = np.asarray(np.isfinite(logits).all(axis=1))
        scores = probabilities(np.where(finite[:, None], logits, 0), self.artifact.activation)
        best = scores.argmax(axis=1)
        score = np.take_along_axis(scores, best[:, None], axis=1)[:, 0].astype(float)
        manifest = self.artifact.manifest
        outside = np.zeros(len(best), dtype=bool)
        if manifest.abstain_below is not None:
            outside |= score < manifest.abstain_below
        if manifest.oos_label in self._engine.labels:
            outside |= best == self._engine.labels.index(manifest.oos_label)
        tops: list[tuple[tuple[int, float], ...]] = [()] * len(best)
        if (most := self.settings.top_k) > 1:
            order = np.argsort(-scores, axis=1, kind="stable")[:, :most]
            values = np.take_along_axis(scores, order, axis=1)
            tops = [tuple(zip(*pair, strict=True)) for pair in zip(order.tolist(), values.tolist(), strict=True)]
        errors = [None if each else NOT_FINITE for each in finite.tolist()]
        return list(map(Answer, best.tolist(), score.tolist(), outside.tolist(), cut, tops, errors))

    def _count(self, good: Sequence[Answer | None], bad: Bad, inferences: int) -> None:
        scored = [row for row in good if row is not None]
        numbers = (
            np.bincount([row.label for row in scored], minlength=len(self._engine.labels)).tolist() if scored else []
        )
        errors: dict[str, int] = {}
        for error in bad.values():
            errors[error] = errors.get(error, 0) + 1
        self.counts += Counts(
            rows=len(good),
            labels={label: number for label, number in zip(self._engine.labels, numbers, strict=False) if number},
            out_of_scope=sum(row.out_of_scope for row in scored),
            truncated=sum(row.truncated for row in scored),
            errors=errors,
            inferences=inferences,
        )

    def _columns(self, rows: Sequence[Answer | None], bad: Bad) -> list[pa.Array]:
        labels = self._labels.take(pa.array([None if row is None else row.label for row in rows], pa.int32()))
        columns = [
            labels,
            pa.array([None if row is None else row.score for row in rows], pa.float32()),
            pa.array([None if row is None else row.out_of_scope for row in rows], pa.bool_()),
        ]
        if self.settings.top_k > 1:
            columns.append(self._top(rows))
        return [*columns, pa.array([bad.get(place) for place in range(len(rows))], pa.string())]

    def _top(self, rows: Sequence[Answer | None]) -> pa.Array:
        names = self._engine.labels
        cells = [
            None if row is None else [{"label": names[at], "score": score} for at, score in row.top] for row in rows
        ]
        return pa.array(cells, TOP)


TOP = pa.list_(pa.struct([("label", pa.string()), ("score", pa.float32())]))


def warn_of_batch_dependence(artifact: Artifact) -> None:
    """Warn if an artifact's predictions depend on the batch.

    Warns:
        BatchDependenceWarning: if they do.
    """
    if not artifact.manifest.batch_invariant:
        warnings.warn(
            f"{artifact.name}: its dynamic int8 predictions depend on the batch, so texts run one at a time; a statically "
            "quantized artifact can run in batches",
            BatchDependenceWarning,
            stacklevel=3,
        )
