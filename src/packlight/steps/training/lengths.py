"""The maximum length of a text: chosen from the training texts or stated, and the texts that are truncated."""

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
"""lengths are multiples of this, which runs faster"""
WORTH_A_WARNING = 0.01
"""the share of a split's texts that is truncated"""

Truncated = Callable[[Sequence[str]], list[bool]]
"""for each text, whether it is truncated"""


def choose_length(lengths: Sequence[int], *, limit: int, stated: int | None, name: str, unit: str = "tokens") -> int:
    """The maximum length: the stated one, or one that fits the training texts.

    Args:
        lengths: length of each training text, special tokens included. Lengths above the limit can be given as the
            limit.
        limit: the maximum length that the model supports.
        stated: the user's choice, or None.
        name: the variant's, for messages.
        unit: what is counted: tokens or words.

    Raises:
        RecipeError: if the stated length is above the limit.
    """
    if stated is not None:
        if stated > limit:
            raise RecipeError(
                f"{name}: max_length {stated} is above the model's limit of {limit} {unit}; use {limit} or less"
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
    shown: bool = False,
) -> dict[str, Any]:
    """The share of each split that is truncated, for the manifest. It is also shown, as a warning if above 1 %.

    Args:
        data: the texts to count. Those of `test` have no influence on choices.
        truncated: tells for texts whether they are truncated.
        max_length: the maximum length that is read at once.
        unit: what it counts: tokens or words.
        cut: how longer texts are handled.
        longer: tells for texts whether they are read in windows; None if windows are not used.
        shown: whether the share has been shown already, so that only the warning is left to show.
    """
    shares = _shares(data, truncated)
    facts: dict[str, Any] = {"max_length": max_length, "unit": unit, "cut": cut, "truncated": shares}
    handled = f"truncated ({cut}): {listed(shares)}"
    if longer is not None:
        windowed = facts["windowed"] = _shares(data, longer)
        handled = f"read in windows of that length: {listed(windowed)}"
    if not shown:
        info(f"  longest text: {max_length} {unit}; {handled}")
    long = [f"{share:.1%} of the {name}" for name, share in shares.items() if share > WORTH_A_WARNING]
    if long:
        several = " and ".join(filter(None, (", ".join(long[:-1]), long[-1])))
        warn(f"warning: {several} texts are {_too_long(max_length, unit, windows=longer is not None)}")
    return facts


def _too_long(max_length: int, unit: str, *, windows: bool) -> str:
    if windows:
        return f"longer than the {MOST_TOKENS:,} {unit} that windows read, and will be truncated. Shorten the texts"
    whole = "Use --long-texts windows to read all of them" if unit == "tokens" else "Shorten the texts"
    return f"longer than {max_length} {unit} and will be truncated. {whole}, or a larger --max-length if the model takes it"


def _shares(data: Dataset, such: Truncated) -> dict[str, float]:
    return {name: float(np.mean(such(data.split(name).texts))) for name in SPLITS if len(data.split(name))}


def listed(shares: Mapping[str, float]) -> str:
    """Shares of the splits, for a message."""
    return ", ".join(f"{share:.1%} of {name}" for name, share in shares.items())


def token_facts(data: Dataset, encoder: TextEncoder, *, shown: bool = False) -> dict[str, Any]:
    """The share of texts that a tokenizer truncates, as `length_facts` returns it."""

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
        shown=shown,
    )
