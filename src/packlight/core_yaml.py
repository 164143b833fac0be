"""Read YAML for recipes and price lists: the core schema of YAML 1.2, with limits and with every value's position.

PyYAML scans and parses; this module builds the values. So `no` and `2026-01-01` are text, `4e-3` is a number, and tags,
aliases and repeated keys are rejected. See https://yaml.org/spec/1.2.2/, section 10.3.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

MOST_CHARACTERS = 1_000_000
MOST_VALUES = 100_000
MOST_DEPTH = 20
MOST_DIGITS = 18
"""maximum number of digits of a whole number, so that every platform can hold it"""
FOLDED = re.compile("[\r\x85\u2028\u2029]")
"""line breaks of YAML 1.1 besides the line feed"""
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
INTEGER = re.compile(r"[-+]?[0-9]+")
OCTAL, HEXADECIMAL = re.compile(r"0o[0-7]+"), re.compile(r"0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
UNBOUNDED = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Place(NamedTuple):
    """Line and column of a value in the text, both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class Document(NamedTuple):
    """A parsed document."""

    value: Any
    """mappings with text as keys, lists, text, whole numbers, finite numbers, true, false and null"""
    places: dict[str, Place]
    """positions of the values by their paths, such as `$.steps[0].epochs`"""


class YamlError(ValueError):
    """A text that cannot be read. The message says what is wrong, and where."""


def read_yaml(text: str) -> Document:
    """Read one document.

    Raises:
        YamlError: if it is not YAML, is too large or too deeply nested, or has tags, aliases, repeated keys, or numbers
            that are too long or not finite.
    """
    if len(text) > MOST_CHARACTERS:
        raise YamlError(f"longer than {MOST_CHARACTERS:,} characters")
    loader = yaml.SafeLoader.__new__(yaml.SafeLoader)
    try:
        loader.__init__(text)  # type: ignore[misc] # so that the loader is there to say where it stopped
        builder = _Builder(iter(_events(loader)))
        value = builder.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(f"{_place(mark)}: {error.problem or error.context or 'cannot be read'}") from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise YamlError(f"{place}: the character {chr(error.character)!a} is not allowed in YAML") from error
    except (ValueError, OverflowError) as error:
        if isinstance(error, YamlError):
            raise
        # PyYAML converts escapes such as "\UFFFFFFFF" to characters without checking them.
        raise YamlError(f"{_place(loader.get_mark())}: {error}") from error
    return Document(value, builder.places)


def write_yaml(value: object) -> str:
    """Write plain values as YAML that `read_yaml` reads."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _events(loader: yaml.SafeLoader) -> Iterator[yaml.Event]:
    while loader.check_event():
        yield loader.get_event()  # type: ignore[no-untyped-call]


def _place(mark: Any) -> Place:
    return Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)


class _Builder:
    """Builds values from a parser's events."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self.places: dict[str, Place] = {}

    def document(self) -> Any:
        """The value of the only document, or null if there is none."""
        value, found = None, False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if found:
                    raise YamlError(f"{_place(event.start_mark)}: a second document begins; keep one")
                value, found = self._value(next(self._events), "$", 1), True
        return value

    def _value(self, event: yaml.Event, path: str, depth: int) -> Any:
        place = _place(event.start_mark)
        self.places[path] = place
        if len(self.places) > MOST_VALUES:
            raise YamlError(f"{place}: more than {MOST_VALUES:,} values")
        if depth > MOST_DEPTH:
            raise YamlError(f"{place}: nested more than {MOST_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(f"{place}: an alias (*{event.anchor}); write the value itself")
        if getattr(event, "tag", None) is not None:
            raise YamlError(f"{place}: a tag ({event.tag}); remove it")  # type: ignore[attr-defined]
        match event:
            case yaml.MappingStartEvent():
                return self._mapping(path, depth)
            case yaml.SequenceStartEvent():
                return self._sequence(path, depth)
            case yaml.ScalarEvent():
                return _text(event.value, place) if event.style else _scalar(event.value, place)
        raise YamlError(f"{place}: a value is missing")

    def _sequence(self, path: str, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._value(event, f"{path}[{len(values)}]", depth + 1))
        return values

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            place = _place(event.start_mark)
            if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
                raise YamlError(f"{place}: a key must be plain text")
            key = _text(event.value, place)
            if key in values:
                raise YamlError(f"{place}: the key {_shown(key)} occurs twice; keep one")
            values[key] = self._value(next(self._events), f"{path}.{key}", depth + 1)
        return values


def _scalar(text: str, place: Place) -> Any:
    """The value of a plain scalar in the core schema."""
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    for pattern, base in ((INTEGER, 10), (OCTAL, 8), (HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            if len(text.lstrip("-+0")) > MOST_DIGITS:
                raise YamlError(f"{place}: a whole number of more than {MOST_DIGITS} digits; put text in quotes")
            return int(text.removeprefix("0o").removeprefix("0x"), base)
    if UNBOUNDED.fullmatch(text):
        raise YamlError(f"{place}: {text} is not a finite number")
    if FLOAT.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise YamlError(f"{place}: {_shown(text)} is not a finite number")
        return value
    return _text(text, place)


def _text(text: str, place: Place) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise YamlError(f"{place}: half of a surrogate pair in {_shown(text)}; write the whole character")
    return text


def _shown(text: str) -> str:
    words = ascii(text)
    return words if len(words) <= 40 else f"{words[:39]}…"


class _Dumper(yaml.SafeDumper):
    """Writes YAML that `read_yaml` reads: text that looks like a number in the core schema is quoted."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Escape text with line breaks other than line feeds, which other styles would fold."""
        style = '"' if FOLDED.search(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)
for _pattern, _kind in ((INTEGER, "int"), (OCTAL, "int"), (HEXADECIMAL, "int"), (FLOAT, "float")):
    _Dumper.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern.pattern})$"), list("-+.0123456789")
    )
