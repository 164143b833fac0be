"""A bounded cache for logits of earlier texts, one per worker. It is off unless `--cache` is set.

An entry is keyed by the artifact's hash and the whole text, so a new version or another model never gets an old answer.
The least recently used text is dropped first. Predictions are the same with and without the cache, because it keeps the
model's logits, which don't depend on the batch.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from packlight.runtime.engine import Logits

LONGEST_TEXT = 1000
"""maximum characters of a text; longer texts seldom repeat, and would make the cache's memory unpredictable"""
Key = tuple[str, str]
"""artifact hash, text"""


class AnswerCache:
    """A cache of a limited number of texts, for all models of a worker."""

    def __init__(self, texts: int) -> None:
        """Cache up to `texts` texts, above 0."""
        self._most = texts
        self._rows: OrderedDict[Key, Logits] = OrderedDict()
        self.hits = 0
        """number of texts found in the cache"""
        self.misses = 0
        """number of texts not found, including those too long to cache"""

    def __len__(self) -> int:
        """Number of cached texts."""
        return len(self._rows)

    async def logits(
        self, artifact: str, texts: Sequence[str], infer: Callable[[list[str]], Awaitable[Logits]]
    ) -> Logits:
        """Logits of shape [texts, labels], from the cache or the model.

        Args:
            artifact: hash of the artifact.
            texts: the texts of a request, at least one.
            infer: returns the logits of texts that are not cached. Its exceptions are passed on.
        """
        rows = [self._known((artifact, text)) for text in texts]
        missing = [place for place, row in enumerate(rows) if row is None]
        self.hits += len(rows) - len(missing)
        self.misses += len(missing)
        if not missing:
            return np.stack(rows)  # type: ignore[arg-type] # none is missing
        found = await infer([texts[place] for place in missing])
        for place, row in zip(missing, found, strict=True):
            self._keep((artifact, texts[place]), row)
        if len(missing) == len(rows):
            return found
        for place, row in zip(missing, found, strict=True):
            rows[place] = row
        return np.stack(rows)  # type: ignore[arg-type] # none is missing any more

    def _known(self, key: Key) -> Logits | None:
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def _keep(self, key: Key, row: Logits) -> None:
        if len(key[1]) > LONGEST_TEXT:
            return
        kept = row.copy()  # copy the row, so that the batch is not kept
        kept.flags.writeable = False
        self._rows[key] = kept
        self._rows.move_to_end(key)
        if len(self._rows) > self._most:
            self._rows.popitem(last=False)
