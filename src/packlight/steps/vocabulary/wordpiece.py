"""WordPiece: the longest piece first, from the left (Wu et al. 2016, section 4.1).

The longest piece that matches is still the longest when others are gone, so dropping pieces that some texts do not
use leaves their segmentation as it was.
"""

from collections.abc import Iterator, Mapping

from tokenizers import Tokenizer

from packlight.steps.vocabulary.inventory import Document, Inventory


class WordPieces(Inventory):
    """A word-piece vocabulary, in which the more frequent pieces come first."""

    def __init__(self, model: Document, tokenizer: Tokenizer) -> None:
        """`tokenizer` is the whole tokenizer that the section `model` is of."""
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
        """The piece of a word with a part that has none."""
        return str(self.model["unk_token"])

    def letters(self, piece: str) -> tuple[str, ...]:
        """`ab` falls apart into `a` and `##b`, `##ab` into `##a` and `##b`."""
        text = self._text(piece)
        first = self._prefix if len(text) < len(piece) else ""
        return tuple(f"{self._prefix if place else first}{letter}" for place, letter in enumerate(text))

    def is_needed(self, piece: str) -> bool:
        """As of every model, but no text can be missing what no text can yield, such as `[unused7]`."""
        return super().is_needed(piece) and (len(self._text(piece)) == 1 or self._can_occur(self._text(piece)))

    def fillers(self) -> Iterator[str]:
        """Those that a text can yield: in a vocabulary of small letters, `[unused7]` and `Paris` are none."""
        return (piece for piece in sorted(self.ids, key=self.ids.__getitem__) if self._can_occur(self._text(piece)))

    def cut(self, kept: Mapping[str, int]) -> Document:
        """The kept pieces."""
        return self.model | {"vocab": {piece: number for piece, number in kept.items() if piece in self.ids}}

    def _text(self, piece: str) -> str:
        """A piece without the mark of one that continues a word; the mark alone is a text."""
        return piece.removeprefix(self._prefix) or piece

    def _can_occur(self, text: str) -> bool:
        normalizer, splitter = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer
        clean = text if normalizer is None else normalizer.normalize_str(text)
        words = [clean] if splitter is None else [word for word, _ in splitter.pre_tokenize_str(clean)]
        return len(words) == 1 and text in words[0]
