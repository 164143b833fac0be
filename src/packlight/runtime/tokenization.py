"""Texts to token ids with the fast tokenizer alone, the same way in every engine and step."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from packlight.errors import ArtifactError
from packlight.runtime.artifact import Artifact

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids = npt.NDArray[np.int64]

SIDES = ("left", "right")
LongTexts = Literal["head", "head+tail"]
HEAD_SHARE = 4
"""of a text of which head and tail are kept, one part in so many is head"""


@dataclass(frozen=True)
class Tokens:
    """A padded batch: both arrays are int64 of shape [texts, longest]."""

    input_ids: Ids
    attention_mask: Ids

    def feed(self) -> dict[str, Ids]:
        """What a model is given, by the names of its inputs."""
        return {"input_ids": self.input_ids, "attention_mask": self.attention_mask}


class TextEncoder:
    """A fast tokenizer with a fixed longest length, padding each batch to its own longest text.

    The side that texts are padded and cut on is the one that `tokenizer_config.json` beside it states, else the right: a
    model that looks at the last token, such as XLNet, would look at padding otherwise.
    """

    def __init__(self, file: Path, max_length: int, *, long_texts: LongTexts = "head") -> None:
        """Open `tokenizer.json`; texts are cut to `max_length` tokens.

        Args:
            file: the tokenizer.
            max_length: special tokens included.
            long_texts: what is kept of a longer text: its `head`, or with `head+tail` a quarter of the tokens from its start
                and the rest from its end (Sun et al. 2019, How to Fine-Tune BERT for Text Classification?, section 5.3.1).

        Raises:
            ArtifactError: when the file is missing or damaged.
        """
        from tokenizers import Tokenizer  # here, so that reports read an engine's description without it

        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises plain Exception
            raise ArtifactError(f"{file}: not a fast tokenizer ({error})") from error
        self.max_length = max_length
        self._tokenizer.no_padding()
        settings = _settings(file)
        cut = settings.get("truncation_side")
        self.long_texts = long_texts
        self._tokenizer.enable_truncation(max_length, direction=cut if cut in SIDES else "right")
        self._whole = None
        if long_texts == "head+tail":
            self._whole = Tokenizer.from_file(str(file))
            self._whole.no_padding()
            self._whole.no_truncation()
        self._pads_left = settings.get("padding_side") == "left"
        self.pad_id = self._find_pad_id(settings)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, special tokens included, not padded."""
        if len(texts) == 1:
            rows = [self._tokenizer.encode(texts[0]).ids]
        else:
            rows = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        if self._whole is None:
            return rows
        return [
            self._head_and_tail(self._whole, text, row) if cut else row
            for text, row, cut in zip(texts, rows, self.truncated(texts, rows), strict=True)
        ]

    def truncated(self, texts: Sequence[str], rows: Sequence[Sequence[int]]) -> list[bool]:
        """For each text, whether it is longer than its token ids."""
        if max(map(len, rows), default=0) < self.max_length:
            return [False] * len(rows)
        return [
            len(row) >= self.max_length and bool(self._tokenizer.encode(text).overflowing)
            for text, row in zip(texts, rows, strict=True)
        ]

    def _head_and_tail(self, whole: "Tokenizer", text: str, row: list[int]) -> list[int]:
        """The first quarter of what a cut text may have, and the rest from its end, between its special tokens."""
        encoding = whole.encode(text)
        special = encoding.special_tokens_mask
        start = next((place for place, one in enumerate(special) if not one), 0)
        end = next((place for place, one in enumerate(reversed(special)) if not one), 0)
        inner = encoding.ids[start : len(special) - end]
        room = len(row) - start - end
        head = room // HEAD_SHARE
        kept = [*inner[:head], *inner[len(inner) - (room - head) :]]
        return [*encoding.ids[:start], *kept, *encoding.ids[len(special) - end :]]

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Token ids and mask of a batch."""
        return self.pad(self.ids(texts))

    def pad(self, rows: Sequence[Sequence[int]]) -> Tokens:
        """Pad token ids to the longest of the batch."""
        longest = max(map(len, rows))
        ids = np.full((len(rows), longest), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for index, row in enumerate(rows):
            place = slice(longest - len(row), longest) if self._pads_left else slice(len(row))
            ids[index, place] = row
            mask[index, place] = 1
        return Tokens(ids, mask)

    @property
    def vocabulary_size(self) -> int:
        """Pieces, added tokens included."""
        return self._tokenizer.get_vocab_size()

    def _find_pad_id(self, settings: dict[str, Any]) -> int:
        stated = [_content(settings.get("pad_token")), "[PAD]", "<pad>", _content(settings.get("eos_token"))]
        for token in filter(None, stated):
            if (found := self._tokenizer.token_to_id(token)) is not None:
                return int(found)
        return 0


def _settings(file: Path) -> dict[str, Any]:
    """What the configuration beside a tokenizer states; nothing where there is none."""
    try:
        document = json.loads(file.with_name("tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _content(token: Any) -> str | None:
    """A special token's text, which stands there by itself or in an object."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def encoder_of(artifact: Artifact) -> TextEncoder:
    """The tokenizer of an artifact, which cuts texts as it was trained to.

    Raises:
        ArtifactError: when it is missing or damaged.
    """
    manifest = artifact.manifest
    return TextEncoder(artifact.tokenizer_path, manifest.max_length, long_texts=manifest.long_texts)
