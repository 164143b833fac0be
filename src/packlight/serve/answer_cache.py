"""Logits of texts that were asked before: bounded, off unless `--cache` says so, and of one worker alone.

An entry is keyed by the artifact's hash and the whole text, so a new version or another model never gets an old answer. The
text that was used longest ago makes room. Answers are the same with and without: what is kept is what the model gave, and
a text's logits do not depend on what else was in its batch.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from packlight.runtime.engine import Logits

LONGEST_TEXT = 1000
"""characters; longer texts are seldom asked twice, and would make the cache's size in memory anybody's guess"""
Key = tuple[str, str]
"""artifact hash, text"""


class AnswerCache:
    """A limited number of texts, for all models of one worker."""

    def __init__(self, texts: int) -> None:
        """Keep up to `texts` texts, above 0."""
        self._most = texts
        self._rows: OrderedDict[Key, Logits] = OrderedDict()
        self.hits = 0
        """texts that were answered from here"""
        self.misses = 0
        """texts that were not, those too long to be kept among them"""

    def __len__(self) -> int:
        """Texts that are kept."""
        return len(self._rows)

    async def logits(
        self, artifact: str, texts: Sequence[str], infer: Callable[[list[str]], Awaitable[Logits]]
    ) -> Logits:
        """Logits of shape [texts, labels]: those that are known from here, the others from the model.

        Args:
            artifact: hash of the artifact that answers.
            texts: of one request, at least one.
            infer: gives the logits of the texts that are not known; what it raises is passed on.
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
        kept = row.copy()  # the row alone, not the batch that it is a part of
        kept.flags.writeable = False
        self._rows[key] = kept
        self._rows.move_to_end(key)
        if len(self._rows) > self._most:
            self._rows.popitem(last=False)
