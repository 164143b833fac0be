# ruff: noqa: INP001 - mkdocs loads this file by its path
"""Hooks for mkdocs: generate the command-line reference and expand patterns in the navigation."""

from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from packlight.cli.app import app

GENERATED = "reference/cli.md"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Expand patterns such as `decisions/*.md` in the navigation and drop pages that don't exist."""
    docs = Path(config.docs_dir)
    config.nav = [kept for entry in config.nav or [] if (kept := _existing(entry, docs)) is not None]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated command-line reference."""
    files.append(File.generated(config, GENERATED, content=cli_reference()))
    return files


def cli_reference() -> str:
    """Render every command with its options as Markdown, from the application itself."""
    group: Any = typer.main.get_command(app)
    verbs = [_verb(name, command) for name, command in group.commands.items() if not command.hidden]
    opening = (
        "# Command line\n\n`packlight COMMAND --help` shows the same text. Results go to standard output; messages and progress go to "
        "standard error. [Exit codes](exit-codes.md) tell you how a command ended. Set up shell completion with "
        "`packlight --install-completion`, and turn off colours with `NO_COLOR=1`.\n"
    )
    return "\n".join([opening, *verbs])


def _verb(name: str, command: Any) -> str:
    help_text = "\n".join(line.strip() for line in (command.help or "").splitlines())
    lines = [f"## {name}", "", help_text, "", "| option | default | description |", "| --- | --- | --- |"]
    lines += [_option(parameter) for parameter in command.params if parameter.name != "help"]
    return "\n".join(lines) + "\n"


def _option(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    names = f"`{parameter.metavar or parameter.name.upper()}`" if is_argument else _names(parameter)
    default = "" if parameter.default in (None, (), False) or callable(parameter.default) else f"`{parameter.default}`"
    needed = "required" if parameter.required else default
    return f"| {names} | {needed} | {(parameter.help or '').replace('|', chr(92) + '|')} |"


def _names(parameter: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _existing(entry: Any, docs: Path) -> Any:
    """Return a navigation entry without its missing pages, or None if nothing is left."""
    if isinstance(entry, str):
        return entry if entry == GENERATED or (docs / entry).is_file() else None
    kept = {}
    for title, below in entry.items():
        if isinstance(below, str) and "*" in below:
            kept[title] = [page.relative_to(docs).as_posix() for page in sorted(docs.glob(below))]
        elif isinstance(below, list):
            inside = [each for item in below if (each := _existing(item, docs)) is not None]
            if inside:
                kept[title] = inside
        elif _existing(below, docs) is not None:
            kept[title] = below
    return kept or None
