"""Tokenize texts with the fast tokenizer, in the same way in every engine and step."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from packlight.errors import ArtifactError
from packlight.runtime.artifact import Artifact
from packlight.runtime.engine import Logits
from packlight.runtime.windows import Windows, mean_of_windows, parts_of, windows_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids = npt.NDArray[np.int64]

SIDES = ("left", "right")
PADS_LEFT = frozenset({"XLNetTokenizer", "LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer", "CohereTokenizer"})
"""classes of transformers that pad on the left unless the configuration states a side; they don't write it there"""
PADS_LEFT_TYPES = frozenset({"xlnet"})
"""architectures whose tokenizer is one of these, if the configuration doesn't name its class"""
LongTexts = Literal["head", "head+tail", "windows"]
HEAD_SHARE = 4
"""for `head+tail`, the inverse of the head's share"""


@dataclass(frozen=True)
class Tokens:
    """A padded batch: both arrays are int64 of shape [texts, longest]."""

    input_ids: Ids
    attention_mask: Ids

    def feed(self) -> dict[str, Ids]:
        """The model's inputs by name."""
        return {"input_ids": self.input_ids, "attention_mask": self.attention_mask}


class TextEncoder:
    """A fast tokenizer with a maximum length, which pads each batch to its longest text.

    Texts are padded and truncated on the side that `tokenizer_config.json` states, by default that of the class that it names.
    Otherwise a model that uses the last token, such as XLNet, would see padding.
    """

    def __init__(self, file: Path, max_length: int, *, long_texts: LongTexts = "head") -> None:
        """Open `tokenizer.json`. Texts are truncated to `max_length` tokens.

        Args:
            file: the tokenizer.
            max_length: maximum number of tokens, special tokens included.
            long_texts: how to handle longer texts. `head` keeps the start; `head+tail` keeps a quarter of the tokens
                from the start and the rest from the end (Sun et al. 2019, How to Fine-Tune BERT for Text
                Classification?, section 5.3.1);
                `windows` keeps all of it, in `Windows` of `max_length` tokens each.

        Raises:
            ArtifactError: if the file is missing or damaged.
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
        if long_texts != "head":
            self._whole = Tokenizer.from_file(str(file))
            self._whole.no_padding()
            self._whole.no_truncation()
        self._pads_left = _pads_left(settings, file)
        self.pad_id = self._find_pad_id(settings)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, with special tokens and without padding; `Windows` for a text of several windows."""
        if len(texts) == 1:
            rows = [self._tokenizer.encode(texts[0]).ids]
        else:
            rows = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        if self._whole is None:
            return rows
        keep = _windows if self.long_texts == "windows" else _head_and_tail
        return [
            keep(self._whole, text, len(row)) if longer else row
            for text, row, longer in zip(texts, rows, self.longer(texts, rows), strict=True)
        ]

    def longer(self, texts: Sequence[str], rows: Sequence[Sequence[int]]) -> list[bool]:
        """For each text, whether it is longer than the model reads at once."""
        if max(map(len, rows), default=0) < self.max_length:
            return [False] * len(rows)
        return [
            isinstance(row, Windows) or (len(row) >= self.max_length and bool(self._tokenizer.encode(text).overflowing))
            for text, row in zip(texts, rows, strict=True)
        ]

    def truncated(self, texts: Sequence[str], rows: Sequence[Sequence[int]]) -> list[bool]:
        """For each text, whether its token ids are truncated."""
        if self.long_texts == "windows":
            return [isinstance(row, Windows) and row.cut for row in rows]
        return self.longer(texts, rows)

    def logits(self, encoded: Sequence[list[int]], run: Callable[[Mapping[str, Ids]], Logits]) -> Logits:
        """Run texts as one batch: float32 of shape [texts, labels].

        Args:
            encoded: from `ids`.
            run: the model. It takes inputs by name and returns a row of logits for each row.
        """
        if self.long_texts != "windows":
            return run(self.pad(encoded).feed())
        parts = [part for row in encoded for part in parts_of(row)]
        logits = run(self.pad(parts).feed())
        return logits if len(parts) == len(encoded) else mean_of_windows(logits, encoded)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Token ids and mask of a batch, with a row for each window of a text."""
        return self.pad([part for row in self.ids(texts) for part in parts_of(row)])

    def pad(self, rows: Sequence[Sequence[int]]) -> Tokens:
        """Pad token ids to the longest of the batch."""
        if len(rows) == 1:  # several microseconds less, for the most frequent request
            alone = np.array(rows, dtype=np.int64)
            return Tokens(alone, np.ones(alone.shape, dtype=np.int64))
        longest = max(map(len, rows))
        ids = np.full((len(rows), longest), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for index, row in enumerate(rows):
            place = slice(longest - len(row), longest) if self._pads_left else slice(len(row))
            ids[index, place] = row
            mask[index, place] = 1
        return Tokens(ids, mask)

    def _find_pad_id(self, settings: dict[str, Any]) -> int:
        stated = [_content(settings.get("pad_token")), "[PAD]", "<pad>", _content(settings.get("eos_token"))]
        for token in filter(None, stated):
            if (found := self._tokenizer.token_to_id(token)) is not None:
                return int(found)
        return 0


def _head_and_tail(whole: "Tokenizer", text: str, length: int) -> list[int]:
    """A quarter of the maximum from the start of a long text, and the rest from its end, with special tokens."""
    before, inner, after = _split(whole, text)
    room = length - len(before) - len(after)
    head = room // HEAD_SHARE
    return [*before, *inner[:head], *inner[len(inner) - (room - head) :], *after]


def _windows(whole: "Tokenizer", text: str, length: int) -> list[int]:
    """A long text in windows, each with special tokens."""
    before, inner, after = _split(whole, text)
    return windows_of(inner, length - len(before) - len(after), lambda part: [*before, *part, *after])


def _split(whole: "Tokenizer", text: str) -> tuple[list[int], list[int], list[int]]:
    """A text's token ids: leading special tokens, its own, and trailing special tokens."""
    encoding = whole.encode(text)
    special = encoding.special_tokens_mask
    start = next((place for place, one in enumerate(special) if not one), 0)
    end = len(special) - next((place for place, one in enumerate(reversed(special)) if not one), 0)
    return encoding.ids[:start], encoding.ids[start:end], encoding.ids[end:]


def _pads_left(settings: Mapping[str, Any], file: Path) -> bool:
    """Whether transformers would pad on the left."""
    if (stated := settings.get("padding_side")) in SIDES:
        return bool(stated == "left")
    if isinstance(name := settings.get("tokenizer_class"), str):
        return name.removesuffix("Fast") in PADS_LEFT
    return _document(file.with_name("config.json")).get("model_type") in PADS_LEFT_TYPES


def _settings(file: Path) -> dict[str, Any]:
    """The configuration next to a tokenizer; empty if there is none."""
    return _document(file.with_name("tokenizer_config.json"))


def _document(file: Path) -> dict[str, Any]:
    """A JSON object; empty if there is none."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _content(token: Any) -> str | None:
    """The text of a special token, which is a string or an object in the configuration."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def encoder_of(artifact: Artifact) -> TextEncoder:
    """The tokenizer of an artifact, with the artifact's maximum length.

    Raises:
        ArtifactError: if it is missing or damaged.
    """
    manifest = artifact.manifest
    return TextEncoder(artifact.tokenizer_path, manifest.max_length, long_texts=manifest.long_texts)
