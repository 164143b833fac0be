"""What a tokenizer's model says of its pieces; one class for each kind of model is beside this file."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

Document = dict[str, Any]
"""the section `model` of a tokenizer.json"""


class Inventory(ABC):
    """The pieces of one tokenizer's model, and which of them depend on which."""

    def __init__(self, model: Document) -> None:
        """`model` is the section of that name of a tokenizer.json; it is not changed."""
        self.model = model

    @property
    @abstractmethod
    def ids(self) -> Mapping[str, int]:
        """Each piece's id."""

    @property
    @abstractmethod
    def unknown(self) -> str | None:
        """The piece that stands for what cannot be segmented; None where there is none."""

    @abstractmethod
    def letters(self, piece: str) -> tuple[str, ...]:
        """The pieces of one character that a piece falls apart into."""

    @abstractmethod
    def fillers(self) -> Iterator[str]:
        """Pieces that a text can yield, the most frequent of the tokenizer's own training first."""

    @abstractmethod
    def cut(self, kept: Mapping[str, int]) -> Document:
        """The section `model` with the kept pieces alone, under their new ids."""

    def parts(self, piece: str) -> frozenset[str]:
        """The piece and every other that it is built of, without which no text would yield it."""
        return frozenset({piece})

    @cached_property
    def mandatory(self) -> frozenset[str]:
        """Pieces without which a text could become unknown, or its unknown parts others.

        These are the unknown piece, every piece of a single character, every piece with a character that has no
        piece of its own, and what the kind of model needs besides.
        """
        return frozenset({piece for piece in self.ids if self.is_needed(piece)} | self.besides())

    def besides(self) -> frozenset[str]:
        """Further mandatory pieces."""
        return frozenset({self.unknown} if self.unknown is not None else ()) & self.ids.keys()

    def is_needed(self, piece: str) -> bool:
        """Whether it is a single character, or has one that no other piece spells."""
        letters = self.letters(piece)
        return len(letters) <= 1 or any(letter not in self.ids for letter in letters)


def byte_pieces() -> frozenset[str]:
    """The pieces that spell a character of no piece, byte by byte: `<0x00>` to `<0xFF>`."""
    return frozenset(f"<0x{byte:02X}>" for byte in range(256))
