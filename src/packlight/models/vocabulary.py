"""A tokenizer's vocabulary held against the model's embedding table and against texts, without PyTorch."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packlight.errors import ModelError
from packlight.models.config_files import read_json

WORTH_A_NOTE, WORTH_A_WARNING, MOST_UNKNOWN = 0.01, 0.1, 0.3
"""shares of tokens that stand for unknown words: from the last one on, the model hardly tells texts apart"""
MOST_SPELLED = 0.5
"""the same for single letters"""
SYLLABIC = ("Cjk", "Hiragana", "Katakana", "Hangul")
MULTILINGUAL = "intfloat/multilingual-e5-small"
"""an encoder of about a hundred languages"""


def check_vocabulary(folder: Path, config: Mapping[str, Any], where: str) -> None:
    """Refuse a tokenizer with ids that the model's embedding table does not have: they fail at the first such word.

    Raises:
        ModelError: naming some of the tokens.
    """
    rows = config.get("vocab_size")
    if not isinstance(rows, int):
        return
    beyond = [token for token, number in token_ids(folder, where).items() if number >= rows]
    if beyond:
        shown = ", ".join(map(repr, beyond[:3])) + (", …" if len(beyond) > 3 else "")
        raise ModelError(
            f"{where}: its tokenizer has {len(beyond)} tokens beyond the {rows:,} rows of the model's embedding table "
            f"({shown}); save it with the tokenizer that it was trained with, or call "
            "`model.resize_token_embeddings(len(tokenizer))` and train it before you save it"
        )


def token_ids(folder: Path, where: str) -> dict[str, int]:
    """Each token's id, as the tokenizer's files state them; empty where only a sentencepiece model does."""
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
        )  # some pieces are line separators of Unicode
        found |= {token.rstrip("\r"): number for number, token in enumerate(lines) if token}
    for name in ("vocab.json", "added_tokens.json"):
        found |= read_json(folder / name, where) if (folder / name).is_file() else {}
    return found


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How a tokenizer cuts some texts; shares are from 0 to 1, of all their tokens."""

    unknown: float
    """tokens that stand for something that the vocabulary does not have"""
    spelled: float
    """tokens of a single letter, of an alphabet: words that the vocabulary does not have are spelled"""
    words: float
    """tokens that stand for something unknown with a letter in it, and not for a symbol such as an emoji"""
    script: str
    """what most letters are written in, such as `Thai`"""
    example: str
    """a word with an unknown token, or the first that is spelled; empty for none"""

    @property
    def warning(self) -> str | None:
        """What to say where the model hardly knows the texts' language, or not all of it; None where it does."""
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
        """What to say of a few unknown tokens; None for none."""
        if not self.unknown:
            return None
        words = f"{self.unknown:.2%} of the tokens are unknown to its vocabulary, such as {self.example!r}"
        return f"{words}; texts that differ only in those look alike to it" if self.unknown >= WORTH_A_NOTE else words


def coverage(file: Path, texts: Sequence[str]) -> Coverage:
    """How a fast tokenizer cuts texts.

    Args:
        file: `tokenizer.json`.
        texts: some texts.
    """
    from tokenizers import Tokenizer  # few commands need it

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    unknown_id = _unknown_id(read_json(file, str(file)), tokenizer.token_to_id)
    letters = Counter(_script(letter) for text in texts for letter in text if letter.isalpha())
    total = unknown = spelled = words = 0
    examples: dict[bool, str] = {}
    for text, encoding in zip(texts, tokenizer.encode_batch(list(texts), add_special_tokens=False), strict=True):
        total += len(encoding.ids)
        for number, token, place in zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True):
            single = _is_letter(token)
            unknown += number == unknown_id
            words += number == unknown_id and any(letter.isalpha() for letter in text[slice(*place)])
            spelled += single
            if number == unknown_id or single:
                examples.setdefault(number == unknown_id, _word_at(text, place[0]))
    script = letters.most_common(1)[0][0] if letters else "Latin"
    return Coverage(
        unknown=unknown / max(total, 1),
        spelled=spelled / max(total, 1),
        words=words / max(total, 1),
        script=script,
        example=examples.get(True, examples.get(False, "")),
    )


def _unknown_id(document: Mapping[str, Any], number_of: Callable[[str], int | None]) -> int | None:
    model = document.get("model") or {}
    token = model.get("unk_token")
    return number_of(token) if isinstance(token, str) else model.get("unk_id")


def _is_letter(token: str) -> bool:
    """Whether a token is one letter of an alphabet; a Chinese or Japanese character is a word or a syllable."""
    bare = token.removeprefix("##").lstrip("▁Ġ")
    return len(bare) == 1 and bare.isalpha() and _script(bare) not in SYLLABIC


def _script(letter: str) -> str:
    return unicodedata.name(letter, "LATIN").partition(" ")[0].title()


def _word_at(text: str, start: int) -> str:
    return text[start:].split(maxsplit=1)[0][:40] if text[start:].strip() else ""
