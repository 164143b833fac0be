"""Unigram: of all ways to cut a text into pieces the likeliest (Kudo 2018, section 3.2).

The likeliest way is still the likeliest when pieces that it does not use are gone. A character without a piece costs
a fixed amount more than the least likely piece, so one piece of the lowest score stays to keep that price.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property

from packlight.steps.vocabulary.inventory import Document, Inventory, byte_pieces


class Unigrams(Inventory):
    """Pieces with the logarithm of their probability; a piece's place is its id."""

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """Each piece's place."""
        return {piece: place for place, (piece, _) in enumerate(self.model["vocab"])}

    @property
    def unknown(self) -> str | None:
        """The piece of characters without a piece."""
        place = self.model.get("unk_id")
        return None if place is None else str(self.model["vocab"][place][0])

    def besides(self) -> frozenset[str]:
        """The unknown piece, one of the lowest score, and single bytes where unknown characters are spelled by them."""
        fallback = byte_pieces() if self.model.get("byte_fallback") else frozenset()
        return super().besides() | {min(self.ids, key=self._score)} | (fallback & self.ids.keys())

    def letters(self, piece: str) -> tuple[str, ...]:
        """Its characters; the mark of a word's start is one."""
        return tuple(piece)

    def fillers(self) -> Iterator[str]:
        """All, the likeliest first."""
        return iter(sorted(self.ids, key=self._score, reverse=True))

    def cut(self, kept: Mapping[str, int]) -> Document:
        """The kept pieces with their scores as they were."""
        vocab = [[piece, score] for piece, score in self.model["vocab"] if piece in kept]
        return self.model | {"vocab": vocab, "unk_id": None if self.unknown is None else kept[self.unknown]}

    def _score(self, piece: str) -> float:
        return float(self.model["vocab"][self.ids[piece]][1])
