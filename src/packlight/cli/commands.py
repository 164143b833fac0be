"""Every command by name. The module of a command is imported when somebody asks for that command."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.main import get_command

from packlight.cli.quiet import with_quiet
from packlight.cli.verb import Verb
from packlight.steps import step_names, step_types

ONE_STEP = "Make: one step"
GROUPS = {
    "Make": {"run": "run", "search": "search", "recipes": "recipes"},
    ONE_STEP: dict.fromkeys(step_names(), "steps"),
    "Measure": {"measure": "measure", "engines": "engines", "loadtest": "loadtest"},
    "Decide": {"report": "results", "compare": "compare", "recommend": "results", "plan": "plan"},
    "Ship": {
        "predict": "predict",
        "score": "score",
        "verify": "verify",
        "push": "push",
        "serve": "serve",
        "deploy": "deploy",
    },
}
"""the modules of the commands, in the groups that `packlight --help` shows"""


class Commands(Mapping[str, Any]):
    """The commands as a mapping, for typer. Loading all of them would take longer than many a command runs."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}
        self._group_of = {name: group for group, commands in GROUPS.items() for name in commands}

    def __getitem__(self, name: str) -> Any:
        """The command, imported at the first request."""
        if name not in self._loaded:
            self._loaded[name] = _build(name, self._group_of[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of the groups."""
        return iter(self._group_of)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._group_of)


def _build(name: str, group: str) -> Any:
    alone = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    alone.command(name, cls=Verb, rich_help_panel=group)(with_quiet(_function(name, group)))
    return get_command(alone)


def _function(name: str, group: str) -> Callable[..., None]:
    module = import_module(f"packlight.cli.{GROUPS[group][name]}")
    found: Callable[..., None] = module.verb(step_types()[name]) if group == ONE_STEP else getattr(module, name)
    return found
