"""`packlight recipes`: what a recipe can say."""

from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from packlight.cli.show import print_tables
from packlight.errors import RecipeError
from packlight.steps import step_types


def recipes(
    name: Annotated[str | None, typer.Argument(help="A built-in recipe to print, to start one's own from.")] = None,
    options: Annotated[bool, typer.Option("--options", help="List the steps and their keys.")] = False,
) -> None:
    """List the built-in recipes, print one, or list what steps there are.

    Example: `packlight recipes walk > mine.yaml`
    """
    folder = resources.files("packlight").joinpath("recipes", "built_in")
    names = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir())
    if name is not None:
        if name not in names:
            raise RecipeError(_unknown_recipe(name, names))
        typer.echo(folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8"), nl=False)
    elif options:
        print_tables(*(part for step in step_types().values() for part in (_headline(step), _options(step))))
    else:
        typer.echo("\n".join(names))


def _unknown_recipe(name: str, names: list[str]) -> str:
    known = f"the built-in ones are {', '.join(names)}"
    if Path(name).is_file():
        return f"{name} is a file, which `packlight run --recipe {name}` takes; {known}, and this prints those"
    return f"no recipe {name!r}: {known}"


def _headline(step: type[msgspec.Struct]) -> Text:
    return Text(f"{step.__struct_config__.tag}: {(step.__doc__ or '').splitlines()[0]}")


def _options(step: type[msgspec.Struct]) -> Table:
    table = Table("key", "default", box=box.SIMPLE_HEAD, pad_edge=False)
    for field in msgspec.structs.fields(step):
        if field.encode_name not in ("as", "from"):
            must = field.default is msgspec.NODEFAULT
            table.add_row(
                field.encode_name, Text("to be given" if must else msgspec.json.encode(field.default).decode())
            )
    return table
