"""A bounded cache for logits of earlier texts, one per worker. It is off unless `--cache` is set.

An entry is keyed by the artifact's hash and the whole text, so a new version or another model never gets an old answer.
The least recently used text is dropped first. Predictions are the same with and without the cache, because it keeps the
model's logits, which don't depend on the batch.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import numpy as np

from packlight.runtime.engine import Logits

LONGEST_TEXT = 1000
"""maximum characters of a text; longer texts seldom repeat, and would make the cache's memory unpredictable"""
Key = tuple[str, str]
"""artifact hash, text"""
Entry = tuple[Logits, bool]
"""one text's logits, [labels], and whether it is longer than the model's maximum"""


class Inferred(NamedTuple):
    """What a model says of texts."""

    logits: Logits
    """of shape [texts, labels]"""
    truncated: list[bool]
    """for each text, whether it is longer than the model's maximum"""


class AnswerCache:
    """A cache of a limited number of texts, for all models of a worker."""

    def __init__(self, texts: int) -> None:
        """Cache up to `texts` texts, above 0."""
        self._most = texts
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self.hits = 0
        """number of texts found in the cache"""
        self.misses = 0
        """number of texts not found, including those too long to cache"""

    def __len__(self) -> int:
        """Number of cached texts."""
        return len(self._entries)

    async def inferred(
        self, artifact: str, texts: Sequence[str], infer: Callable[[list[str]], Awaitable[Inferred]]
    ) -> Inferred:
        """What the model says of texts, from the cache or the model.

        Args:
            artifact: hash of the artifact.
            texts: the texts of a request, at least one.
            infer: the same for texts that are not cached. Its exceptions are passed on.
        """
        entries = [self._known((artifact, text)) for text in texts]
        missing = [place for place, entry in enumerate(entries) if entry is None]
        self.hits += len(entries) - len(missing)
        self.misses += len(missing)
        if missing:
            found = await infer([texts[place] for place in missing])
            for place, row, cut in zip(missing, found.logits, found.truncated, strict=True):
                entries[place] = entry = row, cut
                self._keep((artifact, texts[place]), entry)
            if len(missing) == len(texts):
                return found
        rows, truncated = zip(*entries, strict=True)  # none is missing any more
        return Inferred(np.stack(rows), list(truncated))

    def _known(self, key: Key) -> Entry | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def _keep(self, key: Key, entry: Entry) -> None:
        if len(key[1]) > LONGEST_TEXT:
            return
        row, truncated = entry
        kept = row.copy()  # copy the row, so that the batch is not kept
        kept.flags.writeable = False
        self._entries[key] = kept, truncated
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)
