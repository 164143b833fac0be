"""The vocabularies of each kind of tokenizer: WordPiece, BPE and unigram."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any

from tokenizers import Tokenizer

Document = dict[str, Any]
"""the section `model` of a tokenizer.json"""


class VocabularyModel(ABC):
    """The tokens of one tokenizer's model, called pieces, and how they depend on each other."""

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
        """The unknown piece; None if there is none."""

    @abstractmethod
    def letters(self, piece: str) -> tuple[str, ...]:
        """The single-character pieces that spell a piece."""

    @abstractmethod
    def fillers(self) -> Iterator[str]:
        """Pieces that a text can contain, the most frequent in the tokenizer's own training data first."""

    @abstractmethod
    def cut(self, kept: Mapping[str, int]) -> Document:
        """The section `model` with only the kept pieces, under their new ids."""

    def parts(self, piece: str) -> frozenset[str]:
        """The piece and all others that it is built from. Without them, no text would contain it."""
        return frozenset({piece})

    @cached_property
    def mandatory(self) -> frozenset[str]:
        """Pieces without which parts of a text could become unknown, or change if they already are.

        These are the unknown piece, every single-character piece, every piece with a character that has no piece of its
        own, and whatever else the kind of model needs.
        """
        return frozenset({piece for piece in self.ids if self.is_needed(piece)} | self.besides())

    def besides(self) -> frozenset[str]:
        """Further mandatory pieces."""
        return frozenset({self.unknown} if self.unknown is not None else ()) & self.ids.keys()

    def is_needed(self, piece: str) -> bool:
        """Whether it is a single character, or contains one that has no piece of its own."""
        letters = self.letters(piece)
        return len(letters) <= 1 or any(letter not in self.ids for letter in letters)


def byte_pieces() -> frozenset[str]:
    """The byte pieces that spell characters without a piece: `<0x00>` to `<0xFF>`."""
    return frozenset(f"<0x{byte:02X}>" for byte in range(256))


class BytePairs(VocabularyModel):
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
        """The unknown piece. A byte-level vocabulary has none, because it knows every byte."""
        return self.model.get("unk_token")

    def besides(self) -> frozenset[str]:
        """The unknown piece, and single bytes if they spell unknown characters."""
        fallback = byte_pieces() if self.model.get("byte_fallback") else frozenset()
        return super().besides() | (fallback & self.ids.keys())

    def letters(self, piece: str) -> tuple[str, ...]:
        """The piece's characters (bytes in a byte-level vocabulary). The last one has the end-of-word mark."""
        body = piece.removeprefix(self._prefix) or piece
        stem = body.removesuffix(self._suffix) or body
        first, end, last = piece[: len(piece) - len(body)], body[len(stem) :], len(stem) - 1
        return tuple(
            f"{self._prefix if place else first}{letter}{end if place == last else ''}"
            for place, letter in enumerate(stem)
        )

    def parts(self, piece: str) -> frozenset[str]:
        """The piece and all intermediate results of its merges."""
        return frozenset({piece, *self._joined(piece)}) & self.ids.keys()

    def fillers(self) -> Iterator[str]:
        """The pieces that merges produce, or all of them if whole words are looked up first."""
        for piece in sorted(self.ids, key=self.ids.__getitem__):
            if self._whole_words or piece in self._joined(piece):
                yield piece

    def cut(self, kept: Mapping[str, int]) -> Document:
        """The kept pieces, and in the original order the merges of two kept pieces into a third."""
        merges = [pair for pair in self.model["merges"] if {*pair, self._product(*pair)} <= kept.keys()]
        vocab = {piece: number for piece, number in kept.items() if piece in self.ids}
        return self.model | {"vocab": vocab, "merges": merges}

    @cached_property
    def _ranks(self) -> Mapping[tuple[str, str], int]:
        return {(left, right): rank for rank, (left, right) in enumerate(self.model["merges"])}

    def _product(self, left: str, right: str) -> str:
        return left + right[len(self._prefix) :]

    def _joined(self, piece: str) -> list[str]:
        """The results of joining the piece's letters: the letters, then each merge, and the piece itself last."""
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


class Unigrams(VocabularyModel):
    """Pieces with the logarithm of their probability. A piece's index is its id."""

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """Each piece's index."""
        return {piece: place for place, (piece, _) in enumerate(self.model["vocab"])}

    @property
    def unknown(self) -> str | None:
        """The unknown piece."""
        place = self.model.get("unk_id")
        return None if place is None else str(self.model["vocab"][place][0])

    def besides(self) -> frozenset[str]:
        """The unknown piece, one piece with the lowest score, and single bytes if they spell unknown characters."""
        fallback = byte_pieces() if self.model.get("byte_fallback") else frozenset()
        return super().besides() | {min(self.ids, key=self._score)} | (fallback & self.ids.keys())

    def letters(self, piece: str) -> tuple[str, ...]:
        """Its characters, including the start-of-word mark."""
        return tuple(piece)

    def fillers(self) -> Iterator[str]:
        """All pieces, the most probable first."""
        return iter(sorted(self.ids, key=self._score, reverse=True))

    def cut(self, kept: Mapping[str, int]) -> Document:
        """The kept pieces with their original scores."""
        vocab = [[piece, score] for piece, score in self.model["vocab"] if piece in kept]
        return self.model | {"vocab": vocab, "unk_id": None if self.unknown is None else kept[self.unknown]}

    def _score(self, piece: str) -> float:
        return float(self.model["vocab"][self.ids[piece]][1])


class WordPieces(VocabularyModel):
    """A WordPiece vocabulary, in which the more frequent pieces come first."""

    def __init__(self, model: Document, tokenizer: Tokenizer) -> None:
        """`tokenizer` is the whole tokenizer that the section `model` belongs to."""
        super().__init__(model)
        self._tokenizer = tokenizer
        self._prefix: str = model["continuing_subword_prefix"]

    @property
    def ids(self) -> Mapping[str, int]:
        """Each piece's id."""
        ids: Mapping[str, int] = self.model["vocab"]
        return ids

    @property
    def unknown(self) -> str | None:
        """The unknown piece, for a word that cannot be split into pieces."""
        return str(self.model["unk_token"])

    def letters(self, piece: str) -> tuple[str, ...]:
        """The pieces of the letters: `a` and `##b` for `ab`, `##a` and `##b` for `##ab`."""
        text = self._text(piece)
        first = self._prefix if len(text) < len(piece) else ""
        return tuple(f"{self._prefix if place else first}{letter}" for place, letter in enumerate(text))

    def is_needed(self, piece: str) -> bool:
        """As for every model, but without pieces that no text can contain, such as `[unused7]`."""
        return super().is_needed(piece) and (len(self._text(piece)) == 1 or self._can_occur(self._text(piece)))

    def fillers(self) -> Iterator[str]:
        """Pieces that a text can contain. In a lowercase vocabulary, that excludes `[unused7]` and `Paris`."""
        return (piece for piece in sorted(self.ids, key=self.ids.__getitem__) if self._can_occur(self._text(piece)))

    def cut(self, kept: Mapping[str, int]) -> Document:
        """The kept pieces."""
        return self.model | {"vocab": {piece: number for piece, number in kept.items() if piece in self.ids}}

    def _text(self, piece: str) -> str:
        """A piece without its continuation mark. The mark alone counts as text."""
        return piece.removeprefix(self._prefix) or piece

    def _can_occur(self, text: str) -> bool:
        normalizer, splitter = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer
        clean = text if normalizer is None else normalizer.normalize_str(text)
        words = [clean] if splitter is None else [word for word, _ in splitter.pre_tokenize_str(clean)]
        return len(words) == 1 and text in words[0]
