"""Check a tokenizer's vocabulary against the model's embedding table and against texts, without PyTorch."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packlight.errors import ModelError
from packlight.formatting import counted
from packlight.models.config_files import read_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORTH_A_NOTE, WORTH_A_WARNING, MOST_UNKNOWN = 0.01, 0.1, 0.3
"""thresholds for the share of unknown tokens; above the last one, the model hardly distinguishes texts"""
MOST_SPELLED = 0.5
"""the same for single letters"""
SYLLABIC = ("Cjk", "Hiragana", "Katakana", "Hangul")
MULTILINGUAL = "intfloat/multilingual-e5-small"
"""an encoder for about a hundred languages"""


def check_vocabulary(folder: Path, config: Mapping[str, Any], where: str) -> None:
    """Reject a tokenizer with ids beyond the model's embedding table, which would fail at the first such word.

    Raises:
        ModelError: if there are any, or if its files are damaged. The message names some of the tokens.
    """
    rows = config.get("vocab_size")
    if not isinstance(rows, int):
        return
    try:
        beyond = [token for token, number in token_ids(folder, where).items() if number >= rows]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(f"{where}: its tokenizer's files are damaged ({error!r}); save it again") from error
    if beyond:
        shown = ", ".join(map(repr, beyond[:3])) + (", …" if len(beyond) > 3 else "")
        raise ModelError(
            f"{where}: its tokenizer has {counted(len(beyond), 'token')} beyond the {rows:,} rows of the model's embedding table "
            f"({shown}); save it with the tokenizer that it was trained with, or call "
            "`model.resize_token_embeddings(len(tokenizer))` and train it before you save it"
        )


def token_ids(folder: Path, where: str) -> dict[str, int]:
    """The ids of tokens in the tokenizer's files; empty if there is only a sentencepiece model."""
    found: dict[str, int] = {}
    if (folder / "tokenizer.json").is_file():
        document = read_json(folder / "tokenizer.json", where)
        vocabulary = (document.get("model") or {}).get("vocab") or {}
        if isinstance(vocabulary, dict):
            found |= vocabulary
        else:  # Unigram: pairs of a piece and its score
            found |= {str(pair[0]): number for number, pair in enumerate(vocabulary)}
        found |= {token["content"]: token["id"] for token in document.get("added_tokens") or ()}
        return found
    if (folder / "vocab.txt").is_file():
        lines = (
            (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
        )  # some pieces are Unicode line separators
        found |= {token.rstrip("\r"): number for number, token in enumerate(lines) if token}
    for name in ("vocab.json", "added_tokens.json"):
        found |= read_json(folder / name, where) if (folder / name).is_file() else {}
    return found


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How a tokenizer splits some texts. Shares are from 0 to 1, of all their tokens."""

    unknown: float
    """share of unknown tokens"""
    spelled: float
    """share of single-letter tokens, which spell words that are not in the vocabulary"""
    words: float
    """share of unknown tokens for text with letters, and not for symbols such as emoji"""
    script: str
    """the script of most letters, such as `Thai`"""
    example: str
    """the first word with an unknown token, or the first one that is spelled if most are; empty if there is none"""

    @property
    def warning(self) -> str | None:
        """A warning if the vocabulary doesn't cover the texts' language, or not all of it; None if it does."""
        better = (
            f"a model that knows {'their language' if self.script == 'Latin' else self.script}, such as {MULTILINGUAL}"
        )
        unknown = f"{self.words:.0%} of the tokens are unknown to its vocabulary, such as {self.example!r}"
        if self.words >= MOST_UNKNOWN:
            return f"{unknown}, so it hardly tells these texts apart; start from {better}"
        if self.spelled >= MOST_SPELLED:
            return (
                f"its vocabulary spells the words letter by letter ({self.spelled:.0%} of the tokens), such as {self.example!r}, "
                f"so it hardly tells these texts apart; start from {better}"
            )
        if self.words >= WORTH_A_WARNING:
            return f"{unknown}; it can't tell such words apart, so {better} may do better"
        return None

    @property
    def note(self) -> str | None:
        """A note on a few unknown tokens; None if there are none."""
        if not self.unknown:
            return None
        words = f"{self.unknown:.2%} of the tokens are unknown to its vocabulary, such as {self.example!r}"
        return f"{words}; texts that differ only in those look alike to it" if self.unknown >= WORTH_A_NOTE else words


def read_tokenizer(file: Path) -> "Tokenizer":
    """A fast tokenizer.

    Raises:
        ModelError: if the file is damaged.
    """
    from tokenizers import Tokenizer  # few commands need it

    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing more specific
        raise ModelError(
            f"{file}: cannot be read ({error}); save the tokenizer again with `tokenizer.save_pretrained`"
        ) from error


def coverage(file: Path, texts: Sequence[str]) -> Coverage:
    """How a fast tokenizer splits texts.

    Args:
        file: `tokenizer.json`.
        texts: some texts.
    """
    tokenizer = read_tokenizer(file)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    unknown_id = _unknown_id(read_json(file, str(file)), tokenizer.token_to_id)
    letters = Counter(_script(letter) for text in texts for letter in text if letter.isalpha())
    total = unknown = spelled = words = 0
    examples: dict[str, str] = {}
    for text, encoding in zip(texts, tokenizer.encode_batch(list(texts), add_special_tokens=False), strict=True):
        total += len(encoding.ids)
        for number, token, place in zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True):
            single = _is_letter(token)
            unknown += number == unknown_id
            word = number == unknown_id and any(letter.isalpha() for letter in text[slice(*place)])
            words += word
            spelled += single
            if number == unknown_id or single:
                examples.setdefault("word" if word else "letter" if single else "symbol", _word_at(text, place[0]))
    spells = words < MOST_UNKNOWN * total and spelled >= MOST_SPELLED * total
    order = ("letter", "word", "symbol") if spells else ("word", "symbol", "letter")
    script = letters.most_common(1)[0][0] if letters else "Latin"
    return Coverage(
        unknown=unknown / max(total, 1),
        spelled=spelled / max(total, 1),
        words=words / max(total, 1),
        script=script,
        example=next((examples[kind] for kind in order if kind in examples), ""),
    )


def _unknown_id(document: Mapping[str, Any], number_of: Callable[[str], int | None]) -> int | None:
    model = document.get("model") or {}
    token = model.get("unk_token")
    return number_of(token) if isinstance(token, str) else model.get("unk_id")


def _is_letter(token: str) -> bool:
    """Whether a token is a letter of an alphabet. A Chinese or Japanese character is a word or a syllable."""
    bare = token.removeprefix("##").lstrip("▁Ġ")
    return len(bare) == 1 and bare.isalpha() and _script(bare) not in SYLLABIC


def _script(letter: str) -> str:
    return unicodedata.name(letter, "LATIN").partition(" ")[0].title()


def _word_at(text: str, start: int) -> str:
    return text[start:].split(maxsplit=1)[0][:40] if text[start:].strip() else ""
