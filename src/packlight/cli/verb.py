"""How the help of every command names the types of its options: as the options of the steps do (`steps/option.py`)."""

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
    """An option, with `INT` instead of `<int range>`, and without a type if it is a flag."""
    shown = getattr(parameter, "display_type", None)  # earlier versions of typer name types in capitals by themselves
    if parameter.param_type_name == "option" and parameter.metavar is None and shown is not None:
        words = re.findall(r"[a-z]+", (shown(ctx) or "").lower())
        parameter.metavar = FLAG if "bool" in words else next((WORDS[word] for word in words if word in WORDS), "NAME")
    return parameter
