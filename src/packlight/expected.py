"""Describe what a value must be, from the annotated type of its field, for a one-line message about a wrong option.

`learning_rate is '4e-3', but must be a number above 0`, in a recipe, on the command line and in Python alike.
"""

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from msgspec import inspect

_LONGEST = 60
"""maximum number of characters that are shown of a value"""
_NAME = "a name of at most 63 letters from a to z, digits, dots, hyphens and underscores that starts with a letter or a digit"


def problem_of(kind: type[msgspec.Struct], given: Mapping[str, Any]) -> str | None:
    """What is wrong with the values for a record's fields; None if nothing is.

    Args:
        kind: the record's class.
        given: values by key, from YAML or Python. The key that tells classes apart is ignored.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key in given:
        if key not in fields and key != kind.__struct_config__.tag_field:
            return unknown_key(key, list(fields))
    for key, field in fields.items():
        if key not in given:
            if field.required:
                return f"{key} is missing; it must be {expected(field.type)}"
            continue
        try:
            msgspec.convert(given[key], field.type)
        except msgspec.ValidationError:
            return f"{key} is {shown(given[key])}, but must be {expected(field.type)}{_hint(given[key])}"
    return None


def unknown_key(key: object, known: list[str]) -> str:
    """Say that a key does not exist, and suggest a similar one."""
    near = difflib.get_close_matches(str(key), known, n=1)
    return f"there is no key {key!r}" + (f" (did you mean {near[0]!r}?)" if near else f"; it takes {', '.join(known)}")


def shown(value: object) -> str:
    """A value as people write it, shortened if it is long."""
    words = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


def expected(kind: Any) -> str:
    """What a value of an annotated type must be: `a whole number of at least 1 or null`."""
    from msgspec import inspect  # takes a tenth of a second, which only errors need

    return _either(_alternatives(inspect.type_info(kind)))


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _alternatives(kind: "inspect.Type", *, several: bool = False) -> list[str]:  # noqa: PLR0911 - one for each kind of type
    """The types of a value: simple ones, then lists, null last. `several` is for the plural, of list items."""
    from msgspec import inspect

    end = "s" if several else ""
    article = "" if several else "a "
    match kind:
        case inspect.Metadata():
            return _alternatives(kind.type, several=several)
        case inspect.UnionType():
            order = sorted(kind.types, key=lambda each: _place(_alternatives(each)[0]))
            return [words for each in order for words in _alternatives(each, several=several)]
        case inspect.NoneType():
            return ["null"]
        case inspect.BoolType():
            return ["true", "false"]
        case inspect.LiteralType():
            return [repr(each) for each in kind.values]
        case inspect.IntType():
            return [f"{article}whole number{end}{_bounds(kind)}"]
        case inspect.FloatType():
            return [f"{article}number{end}{_bounds(kind)}"]
        case inspect.StrType():
            full = " that is not empty" if kind.min_length else ""
            return [("names" if several else _NAME) if kind.pattern else f"text{end}{full}"]
        case inspect.VarTupleType() | inspect.ListType():
            return [f"a list of {_either(_alternatives(kind.item_type, several=True))}"]
        case _:
            return [f"{article}mapping{end}"]


def _place(words: str) -> int:
    return 2 if words == "null" else words.startswith("a list")


def _bounds(kind: "inspect.IntType | inspect.FloatType") -> str:
    low = f"of at least {kind.ge:g}" if kind.ge is not None else f"above {kind.gt:g}" if kind.gt is not None else ""
    high = f"at most {kind.le:g}" if kind.le is not None else f"below {kind.lt:g}" if kind.lt is not None else ""
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge} to {kind.le}"
    return "".join(f" {words}" for words in (" and ".join(filter(None, (low, high))),) if words)


def _hint(value: object) -> str:
    """What to write instead of a number that was read as text, such as 4e-3."""
    if isinstance(value, str):
        try:
            return f"; that is text, write {float(value):.10g}"
        except ValueError:
            pass
    return ""
