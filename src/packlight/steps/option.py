"""A step's options, read from its class, for commands, functions, lists and the reference."""

import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from packlight.steps.step import OWN, Searched, Step, Takes


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a step."""

    name: str
    key: str
    """in a recipe"""
    type: Any
    """the annotated type, with its limits"""
    kinds: tuple[Any, ...]
    """the plain types of its values, without None"""
    nullable: bool
    description: str
    null: str | None
    """what null means"""
    takes: Takes
    searched: Searched | None
    """what a search tries if it varies the option"""
    required: bool
    default: Any
    shared: bool
    """whether it is inherited from a class that several steps share"""

    @property
    def lists(self) -> bool:
        """Whether it takes several values."""
        return any(get_origin(each) is tuple for each in self.kinds)

    @property
    def type_words(self) -> str:
        """Its type as text, such as `int,… | int`."""
        return " | ".join(dict.fromkeys(word for each in self.kinds for word in _words(each, self.takes)))

    @property
    def meaning(self) -> str:
        """What it means, and what null does if it can be null."""
        return f"{self.description} `null`: {self.null}." if self.nullable and self.null else self.description

    @property
    def recipe_type(self) -> str:
        """Its type in a recipe as text, such as `int | null`."""
        return f"{self.type_words} | null" if self.nullable else self.type_words

    @property
    def recipe_default(self) -> str:
        """Its default as written in a recipe."""
        if self.required:
            return "required"
        if isinstance(self.default, tuple):
            return f"[{', '.join(map(str, self.default))}]"
        return "null" if self.default is None else value_words(self.default)

    @property
    def default_words(self) -> str:
        """Its default as text. If that is null, what null means."""
        if self.required:
            return "required"
        return value_words(self.default) if self.default is not None else self.null or "none"


def options_of(step: type[Step], *, own: bool = False) -> tuple[Option, ...]:
    """The options of a step: its own in order, then those that it shares with others.

    Args:
        step: the class.
        own: include the fields that every step has.
    """
    found = {field.name: _option(step, field) for field in msgspec.structs.fields(step)}
    stated = [name for name in step.__annotations__ if name in found and name not in OWN]
    order = [*(OWN if own else ()), *stated, *(name for name in found if name not in stated and name not in OWN)]
    return tuple(found[name] for name in order)


def value_words(value: object) -> str:
    """A value as written in a recipe or on the command line."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _option(step: type[Step], field: msgspec.structs.FieldInfo) -> Option:
    kind, *metas = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
    described = next((each for each in reversed(metas) if each.extra and "takes" in each.extra), None)
    if described is None:
        raise TypeError(f"{step.__name__}.{field.name}: has no description; annotate it with `described`")
    union = get_origin(kind) in (Union, types.UnionType)
    every = get_args(kind) if union else (kind,)
    extra: dict[str, Any] = described.extra
    return Option(
        name=field.name,
        key=field.encode_name,
        type=field.type,
        kinds=tuple(_plain(each) for each in every if each is not types.NoneType),
        nullable=types.NoneType in every,
        description=described.description,
        null=extra["null"],
        takes=extra["takes"],
        searched=extra["searched"],
        required=field.required,
        default=None if field.required else field.default,
        shared=field.name not in step.__annotations__ and field.name not in OWN,
    )


def _plain(kind: Any) -> Any:
    return _plain(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def _words(kind: Any, takes: Takes) -> Sequence[str]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    if get_origin(kind) is tuple:
        return [f"{word},…" for word in _words(_plain(get_args(kind)[0]), takes)]
    if kind is str:
        return ["text" if takes == "value" else takes]
    if get_origin(kind) is dict:
        return ["mapping"]
    return ["true | false" if kind is bool else str(kind.__name__)]
