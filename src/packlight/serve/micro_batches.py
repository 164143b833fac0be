"""How queued texts become micro-batches: sorted by length, and padded only where that costs less than another call."""

from collections.abc import Iterable, Sequence, Sized
from typing import Generic, NamedTuple, TypeVar

CALL_TOKENS = 4
"""what a call of the runtime costs beside its tokens, in tokens: a text joins a batch if that adds less padding"""
Owner = TypeVar("Owner")


class Item(NamedTuple, Generic[Owner]):
    """One text in the queue."""

    tokens: int
    owner: Owner
    """the request that it belongs to"""
    place: int
    """in that request"""


def by_length(owner: Owner, encoded: Sequence[Sized]) -> list[Item[Owner]]:
    """The texts of one request, the shortest first."""
    if len(encoded) == 1:
        return [Item(len(encoded[0]), owner, 0)]
    return sorted((Item(len(text), owner, place) for place, text in enumerate(encoded)), key=_tokens)


def slice_length(items: Sequence[Item[Owner]], start: int, budget: int, *, pads: bool) -> int:
    """How many texts of a sorted request are one slice: those that cost `budget` tokens or less, but at least one.

    Args:
        items: sorted by length.
        start: where the slice begins.
        budget: padded tokens of one micro-batch.
        pads: whether a batch is padded to its longest text.
    """
    whole, texts, longest = 0, 0, 0
    """tokens of micro-batches that are complete, and the one that is growing"""
    for place in range(start, len(items)):
        tokens = items[place].tokens
        if texts and not _joins(tokens, texts, longest if pads else tokens, budget):
            whole, texts = whole + texts * longest, 0
        texts, longest = texts + 1, tokens
        if place > start and whole + texts * longest > budget:
            return place - start
    return len(items) - start


def cut(items: Iterable[Item[Owner]], budget: int, *, pads: bool, together: bool) -> list[list[Item[Owner]]]:
    """Micro-batches of texts, the shortest texts first.

    Args:
        items: texts of any requests.
        budget: most padded tokens of one micro-batch; a longer text is one by itself.
        pads: whether a batch is padded to its longest text.
        together: whether texts may share a batch at all.
    """
    if not together:
        return [[item] for item in items]
    batches: list[list[Item[Owner]]] = []
    batch: list[Item[Owner]] = []
    for item in sorted(items, key=_tokens):
        longest = batch[-1].tokens if pads and batch else item.tokens
        if batch and not _joins(item.tokens, len(batch), longest, budget):
            batches.append(batch)
            batch = []
        batch.append(item)
    return [*batches, batch] if batch else batches


def _joins(tokens: int, texts: int, longest: int, budget: int) -> bool:
    """Whether a text, no shorter than a batch's longest, costs less in it than in a call of its own."""
    return tokens * (texts + 1) <= budget and (tokens - longest) * texts <= CALL_TOKENS


def _tokens(item: Item[Owner]) -> int:
    return item.tokens
