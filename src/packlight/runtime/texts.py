"""Check the texts that users pass, before they reach a tokenizer."""

from collections.abc import Iterable, Mapping
from typing import Any

from packlight.errors import DataError

_SHOWN = 40
"""number of characters of a wrong value that a message quotes"""


def as_texts(given: Any) -> list[str]:
    """Texts as a list. A single string is one text; any iterable of strings is allowed.

    Args:
        given: a string, or a list, tuple, Series, array or generator of strings.

    Raises:
        DataError: if it is a table or not iterable, or if a text is not a string in UTF-8. The message names the text
            and its type.
    """
    if isinstance(given, str):
        return [_checked("the text", given)]
    if hasattr(given, "columns"):
        columns = ", ".join(map(repr, list(given.columns)[:4]))
        raise DataError(
            f"expected texts, got a {type(given).__name__} with the columns {columns}: pass one of its columns, such as "
            f"frame[{next(iter(given.columns), 'text')!r}]"
        )
    if isinstance(given, bytes | bytearray | Mapping) or not isinstance(given, Iterable):
        raise DataError(f"expected a text or a list of texts, got {_described(given)}")
    return [_checked(f"text {place}", text) for place, text in enumerate(given)]


def _checked(name: str, text: Any) -> str:
    if not isinstance(text, str):
        hint = ": pairs of texts are not supported" if isinstance(text, tuple | list) and len(text) == 2 else ""
        raise DataError(f"{name} is {_described(text)}, not a string{hint} (counted from 0)")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{name} has {text[error.start]!r} at character {error.start}, an unpaired surrogate, which UTF-8 cannot "
            f"represent; decode it from its bytes again (counted from 0)"
        ) from error
    return str(text)


def _described(value: Any) -> str:
    if value is None:
        return "None"
    shown = repr(value)
    return f"the {type(value).__name__} {shown[:_SHOWN]}{'…' if len(shown) > _SHOWN else ''}"
