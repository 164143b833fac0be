"""Texts to pieces, and what two tokenizers make of the same texts."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Tokenizer


@dataclass(frozen=True)
class Segmentation:
    """The pieces of each text, without special tokens, not cut to a longest length."""

    rows: tuple[tuple[str, ...], ...]
    unknown: str | None
    """the piece that stands for what could not be segmented"""

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each piece occurs."""
        return Counter(piece for row in self.rows for piece in row)

    @property
    def mean_length(self) -> float:
        """Pieces of a text, on average."""
        return sum(map(len, self.rows)) / max(len(self.rows), 1)

    @property
    def unknown_rate(self) -> float:
        """Share of the pieces that are unknown; 0 for a tokenizer that has no unknown piece."""
        return 0.0 if self.unknown is None else self.counts[self.unknown] / max(self.counts.total(), 1)

    def changed(self, other: "Segmentation") -> float:
        """Share of the texts that another tokenizer cuts into other pieces."""
        differing = sum(one != two for one, two in zip(self.rows, other.rows, strict=True))
        return differing / max(len(self.rows), 1)


def segment(tokenizer: Tokenizer, texts: Sequence[str]) -> Segmentation:
    """Cut texts into pieces."""
    # A unigram model's encoding shows the text's own characters where it means the unknown piece; the ids do not.
    piece_of = {number: piece for piece, number in tokenizer.get_vocab(with_added_tokens=True).items()}
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    rows = tuple(tuple(piece_of[number] for number in encoding.ids) for encoding in encodings)
    return Segmentation(rows, _unknown(tokenizer))


def _unknown(tokenizer: Tokenizer) -> str | None:
    # The library's objects do not tell a unigram model's unknown piece; their text does.
    model = json.loads(tokenizer.to_str())["model"]
    if model["type"] == "Unigram":
        return None if model["unk_id"] is None else str(model["vocab"][model["unk_id"]][0])
    piece: str | None = model.get("unk_token")
    return piece
