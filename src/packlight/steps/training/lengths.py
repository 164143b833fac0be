"""The longest text that a model sees: chosen from the training texts, or stated, and what is cut because of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from packlight.data import SPLITS, Dataset
from packlight.errors import RecipeError
from packlight.progress import info, warn
from packlight.runtime.tokenization import TextEncoder
from packlight.runtime.windows import MOST_TOKENS

PERCENTILE = 99.9
"""share of the training texts, in percent, that is kept whole"""
STEP = 8
"""lengths are multiples of it, which processors like"""
WORTH_A_WARNING = 0.01
"""share of a split's texts that is cut"""

Truncated = Callable[[Sequence[str]], list[bool]]
"""for each text, whether it is cut"""


def choose_length(lengths: Sequence[int], *, limit: int, stated: int | None, name: str, unit: str = "tokens") -> int:
    """The longest text that a model is trained on and answers: what is stated, or else what the texts ask for.

    Args:
        lengths: of each training text, special tokens included; those beyond the limit may be given as the limit.
        limit: the longest text that the model takes.
        stated: by the user.
        name: the variant's, for messages.
        unit: what is counted.

    Raises:
        RecipeError: when the stated length is above the limit.
    """
    if stated is not None:
        if stated > limit:
            raise RecipeError(
                f"{name}: max_length {stated} is above the model's limit of {limit} {unit}; state {limit} or less"
            )
        return stated
    wanted = int(np.percentile(lengths, PERCENTILE, method="higher"))
    return min(limit, -(-wanted // STEP) * STEP)


def length_facts(
    data: Dataset,
    truncated: Truncated,
    *,
    max_length: int,
    unit: str,
    cut: str,
    longer: Truncated | None = None,
) -> dict[str, Any]:
    """What share of each split is cut, as the manifest records it; it is said, and more than 1 % is a warning.

    Args:
        data: its texts are counted; those of `test` choose nothing.
        truncated: says of texts whether they are cut.
        max_length: the longest text that is read at once.
        unit: what that counts: tokens or words.
        cut: what becomes of longer ones.
        longer: says of texts whether they are read in windows; None where none is.
    """
    shares = _shares(data, truncated)
    facts: dict[str, Any] = {"max_length": max_length, "unit": unit, "cut": cut, "truncated": shares}
    if longer is None:
        info(f"  longest text {max_length} {unit}; cut ({cut}): {listed(shares)}")
    else:
        windowed = facts["windowed"] = _shares(data, longer)
        info(f"  longest text {max_length} {unit}; read in windows of that length: {listed(windowed)}")
    long = [f"{share:.1%} of the {name} texts" for name, share in shares.items() if share > WORTH_A_WARNING]
    if long:
        warn(f"warning: {' and '.join(long)} are {_too_long(max_length, unit, windows=longer is not None)}")
    return facts


def _too_long(max_length: int, unit: str, *, windows: bool) -> str:
    if windows:
        return f"longer than the {MOST_TOKENS:,} {unit} that windows read, and are cut. Shorten the texts"
    shorten = "--long-texts windows reads all of them" if unit == "tokens" else "shorten the texts"
    return f"longer than {max_length} {unit} and are cut. State a longer --max-length (up to the model's limit), or {shorten}"


def _shares(data: Dataset, such: Truncated) -> dict[str, float]:
    return {name: float(np.mean(such(data.split(name).texts))) for name in SPLITS if len(data.split(name))}


def listed(shares: Mapping[str, float]) -> str:
    """Shares of the splits, for a message."""
    return ", ".join(f"{share:.1%} of {name}" for name, share in shares.items())


def token_facts(data: Dataset, encoder: TextEncoder) -> dict[str, Any]:
    """What a tokenizer cuts, as `length_facts` says it."""

    def truncated(texts: Sequence[str]) -> list[bool]:
        return encoder.truncated(texts, encoder.ids(texts))

    def longer(texts: Sequence[str]) -> list[bool]:
        return encoder.longer(texts, encoder.ids(texts))

    return length_facts(
        data,
        truncated,
        max_length=encoder.max_length,
        unit="tokens",
        cut=encoder.long_texts,
        longer=longer if encoder.long_texts == "windows" else None,
    )
