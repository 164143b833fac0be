"""How the help of every command names the types of its options: as a step's options do (`steps/option.py`)."""

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

FLAG = " "
WORDS = {"float": "FLOAT", "int": "INT", "path": "PATH", "str": "TEXT"}


class Verb(TyperCommand):
    """A command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, with words for their types."""
        return [_named(each, ctx) for each in super().get_params(ctx)]


class Verbs(TyperGroup):
    """The commands together, with options of their own."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, with words for their types."""
        return [_named(each, ctx) for each in super().get_params(ctx)]


def _named(parameter: Any, ctx: Any) -> Any:
    """A parameter whose help fits 80 columns.

    An option shows `INT` instead of `<int range>`, no range, and no type if it is a flag. An argument shows its name alone.
    """
    shown = getattr(parameter, "display_type", None)
    if shown is None:  # earlier versions of typer name types in capitals by themselves
        return parameter
    parameter._get_number_range_help_str = str  # noqa: SLF001 - typer has no setting for it, and no room for it either
    if parameter.param_type_name == "argument":
        parameter.metavar = parameter.metavar or parameter.name.upper()
        parameter.display_type_rich = lambda ctx: None  # noqa: ARG005 - typer passes it by name
    elif parameter.metavar is None:
        words = re.findall(r"[a-z]+", (shown(ctx) or "").lower())
        parameter.metavar = FLAG if "bool" in words else next((WORDS[word] for word in words if word in WORDS), "NAME")
    return parameter
