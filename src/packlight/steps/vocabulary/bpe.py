"""Byte-pair encoding: letters or bytes joined by the earliest merge that applies (Sennrich et al. 2016, section 3.2).

Of the merges that happen in a text none crosses the border of a resulting piece, so those within a piece are the
ones that build the piece alone. If all of these stay, in their order, the text is joined as before: at each step the
earliest merge of all was one that stays, and is therefore the earliest of those that stay.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise

from packlight.steps.vocabulary.inventory import Document, Inventory, byte_pieces


class BytePairs(Inventory):
    """A byte-pair vocabulary, in which the more frequent pieces come first, with its merges."""

    def __init__(self, model: Document) -> None:
        """`model` is the section of that name of a tokenizer.json."""
        super().__init__(model)
        self._prefix: str = model.get("continuing_subword_prefix") or ""
        self._suffix: str = model.get("end_of_word_suffix") or ""
        self._whole_words = bool(model.get("ignore_merges"))

    @property
    def ids(self) -> Mapping[str, int]:
        """Each piece's id."""
        ids: Mapping[str, int] = self.model["vocab"]
        return ids

    @property
    def unknown(self) -> str | None:
        """None in a byte-level vocabulary, which knows every byte."""
        return self.model.get("unk_token")

    def besides(self) -> frozenset[str]:
        """The unknown piece, and single bytes where unknown characters are spelled by them."""
        fallback = byte_pieces() if self.model.get("byte_fallback") else frozenset()
        return super().besides() | (fallback & self.ids.keys())

    def letters(self, piece: str) -> tuple[str, ...]:
        """Characters of the piece, which stand for bytes in a byte-level vocabulary; the last has the word's end."""
        body = piece.removeprefix(self._prefix) or piece
        stem = body.removesuffix(self._suffix) or body
        first, end, last = piece[: len(piece) - len(body)], body[len(stem) :], len(stem) - 1
        return tuple(
            f"{self._prefix if place else first}{letter}{end if place == last else ''}"
            for place, letter in enumerate(stem)
        )

    def parts(self, piece: str) -> frozenset[str]:
        """The piece and what is joined on the way to it."""
        return frozenset({piece, *self._joined(piece)}) & self.ids.keys()

    def fillers(self) -> Iterator[str]:
        """Those that merges lead to; where whole words are looked up first, all."""
        for piece in sorted(self.ids, key=self.ids.__getitem__):
            if self._whole_words or piece in self._joined(piece):
                yield piece

    def cut(self, kept: Mapping[str, int]) -> Document:
        """The kept pieces, and in their order the merges of two of them that make a third."""
        merges = [pair for pair in self.model["merges"] if {*pair, self._product(*pair)} <= kept.keys()]
        vocab = {piece: number for piece, number in kept.items() if piece in self.ids}
        return self.model | {"vocab": vocab, "merges": merges}

    @cached_property
    def _ranks(self) -> Mapping[tuple[str, str], int]:
        return {(left, right): rank for rank, (left, right) in enumerate(self.model["merges"])}

    def _product(self, left: str, right: str) -> str:
        return left + right[len(self._prefix) :]

    def _joined(self, piece: str) -> list[str]:
        """What arises when the piece's letters are joined: letters, then each product, the piece itself last."""
        row = list(self.letters(piece))
        seen = list(row)
        while len(row) > 1:
            pairs = enumerate(pairwise(row))
            ranked = [(self._ranks[pair], place) for place, pair in pairs if pair in self._ranks]
            if not ranked:
                break
            _, place = min(ranked)
            row[place : place + 2] = [self._product(*row[place : place + 2])]
            seen.append(row[place])
        return seen
