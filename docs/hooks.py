# ruff: noqa: INP001 - mkdocs loads this file by its path
"""What mkdocs needs to know of packlight: the command line's reference, and which pages there are."""

from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from packlight.cli.app import app

MADE = "cli.md"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out pages that are not written yet, and write out patterns such as `decisions/*.md`."""
    docs = Path(config.docs_dir)
    config.nav = [kept for entry in config.nav or [] if (kept := _existing(entry, docs)) is not None]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the command line's reference."""
    files.append(File.generated(config, MADE, content=cli_reference()))
    return files


def cli_reference() -> str:
    """Every verb with its options, as Markdown, from the application itself."""
    group: Any = typer.main.get_command(app)
    verbs = [_verb(name, command) for name, command in group.commands.items() if not command.hidden]
    opening = (
        "# Command line\n\n`packlight VERB --help` shows the same. Tables go to standard output, remarks and progress to standard "
        "error. [The exit status](exit-codes.md) says how a command ended. "
        "`packlight --install-completion` sets up your shell; `NO_COLOR=1` turns colours off.\n"
    )
    return "\n".join([opening, *verbs])


def _verb(name: str, command: Any) -> str:
    help_text = "\n".join(line.strip() for line in (command.help or "").splitlines())
    lines = [f"## {name}", "", help_text, "", "| option | default | |", "| --- | --- | --- |"]
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
    """The navigation's entry without pages that are missing; None when nothing is left of it."""
    if isinstance(entry, str):
        return entry if entry == MADE or (docs / entry).is_file() else None
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
