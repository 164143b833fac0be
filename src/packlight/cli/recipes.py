"""`packlight recipes`: list recipes, and explain what they can contain."""

import inspect
import re
import shlex
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from packlight.cli.show import print_tables, show_json
from packlight.cli.without_effect import refuse
from packlight.errors import RecipeError
from packlight.recipes.recipe import recipe_schema
from packlight.steps import step_types
from packlight.steps.option import Option, options_of
from packlight.steps.step import Step


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Built-in recipe to print. Save it and edit it to make your own.")
    ] = None,
    options: Annotated[
        bool, typer.Option("--options", help="List the keys of every step, with type, default and meaning.")
    ] = False,
    schema: Annotated[
        bool,
        typer.Option("--schema", help="Print the JSON Schema of recipes. Editors use it for completion and checks."),
    ] = False,
) -> None:
    """List the built-in recipes, print one, or explain what recipes can contain.

    Example: `packlight recipes walk > mine.yaml`
    """
    if name is not None:
        refuse({"--options": options, "--schema": schema}, "is about the keys of every recipe; omit the recipe's name")
    if schema:
        refuse({"--options": options}, "and --schema are two forms of the same list; omit one")
    folder = resources.files("packlight").joinpath("recipes", "built_in")
    names = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir())
    if name is not None:
        if name not in names:
            raise RecipeError(_unknown_recipe(name, names))
        typer.echo(folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8"), nl=False)
    elif schema:
        show_json(recipe_schema())
    elif options:
        parts: list[RenderableType] = [Text("Keys of every step"), _table(options_of(Step, own=True))]
        for step in step_types().values():
            parts += [_headline(step), *_options(step)]
        print_tables(*parts)
    else:
        print_tables(_built_in(folder, names))


def _built_in(folder: Traversable, names: Sequence[str]) -> Table:
    """Each built-in recipe with the first sentence of its file, up to a colon."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name in names:
        comment = folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8").partition("\nversion:")[0]
        table.add_row(name, Text(re.split(r"[.:](?=\s|$)", comment.replace("\n#", "").removeprefix("# "))[0]))
    return table


def _unknown_recipe(name: str, names: list[str]) -> str:
    known = f"the built-in ones are {', '.join(names)}"
    if Path(name).is_file():
        return f"{name} is a file, not a built-in recipe: run it with `packlight run --recipe {shlex.quote(name)}`; {known}"
    return f"no recipe {name!r}: {known}"


def _headline(step: type[Step]) -> Text:
    return Text(f"{step.word()}: {(inspect.getdoc(step) or '').splitlines()[0]}")


def _options(step: type[Step]) -> list[Table]:
    """A table of the step's own keys; empty if it has none."""
    shared = {option.key for option in options_of(Step, own=True)}
    own = [option for option in options_of(step, own=True) if option.key not in shared]
    return [_table(own)] if own else []


def _table(options: Sequence[Option]) -> Table:
    table = Table("key", "type", "default", "meaning", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for option in options:
        table.add_row(option.key, Text(option.recipe_type), Text(option.recipe_default), Text(option.meaning))
    return table
