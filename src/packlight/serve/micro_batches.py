"""Form micro-batches of queued texts: sorted by length, and padded only if that costs less than another call."""

from collections.abc import Iterable, Sequence, Sized
from typing import Generic, NamedTuple, TypeVar

from packlight.runtime import batches as batching

CALL_TOKENS = 4
"""overhead of a call of the runtime, in tokens: a text joins a batch if that adds less padding"""
Owner = TypeVar("Owner")


class Item(NamedTuple, Generic[Owner]):
    """A text in the queue."""

    tokens: int
    owner: Owner
    """the request that it belongs to"""
    place: int
    """index in that request"""


def by_length(owner: Owner, encoded: Sequence[Sized]) -> list[Item[Owner]]:
    """The texts of a request, the shortest first."""
    if len(encoded) == 1:
        return [Item(len(encoded[0]), owner, 0)]
    return sorted((Item(len(text), owner, place) for place, text in enumerate(encoded)), key=_tokens)


def slice_length(items: Sequence[Item[Owner]], start: int, budget: int, *, pads: bool) -> int:
    """The number of texts in a slice of a sorted request: those that cost at most `budget` tokens, but at least one.

    Args:
        items: sorted by length.
        start: start of the slice.
        budget: maximum padded tokens in a micro-batch.
        pads: whether a batch is padded to its longest text.
    """
    padding = CALL_TOKENS if pads else None
    whole, texts, longest = 0, 0, 0
    """tokens of complete micro-batches, and of the current one"""
    for place in range(start, len(items)):
        tokens = items[place].tokens
        if texts and not batching.joins(tokens, texts, longest, budget, padding):
            whole, texts = whole + texts * longest, 0
        texts, longest = texts + 1, tokens
        if place > start and whole + texts * longest > budget:
            return place - start
    return len(items) - start


def cut(items: Iterable[Item[Owner]], budget: int, *, pads: bool, together: bool) -> list[list[Item[Owner]]]:
    """Divide texts into micro-batches, the shortest texts first.

    Args:
        items: texts of any requests.
        budget: maximum padded tokens in a micro-batch. A longer text gets its own.
        pads: whether a batch is padded to its longest text.
        together: whether texts can share a batch.
    """
    if not together:
        return [[item] for item in items]
    queued = list(items)
    lengths = [item.tokens for item in queued]
    batches = batching.by_length(lengths, budget=budget, padding=CALL_TOKENS if pads else None)
    return [[queued[place] for place in batch] for batch in batches]


def _tokens(item: Item[Owner]) -> int:
    return item.tokens
