# ruff: noqa: INP001 - mkdocs loads this file by its path
"""Hooks for mkdocs: generate the command-line reference and expand patterns in the navigation."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from packlight.cli.app import app
from packlight.steps import step_types
from packlight.steps.option import options_of
from packlight.steps.step import SAME, Step

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Expand patterns such as `decisions/*.md` in the navigation and drop pages that don't exist."""
    docs = Path(config.docs_dir)
    config.nav = [kept for entry in config.nav or [] if (kept := _existing(entry, docs)) is not None]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated references: the command line, and the steps."""
    from mkdocs.structure.files import File

    for name, content in GENERATED.items():
        files.append(File.generated(config, name, content=content()))
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


def steps_reference() -> str:
    """Render every step with its options as Markdown, from the classes of its options."""
    opening = (
        "# Steps\n\nA recipe is a list of steps. Each step is also a command and a Python function with the same options. "
        "`packlight recipes --options` shows this list, and `packlight recipes --schema` prints the JSON Schema for your editor.\n\n"
        "Every step takes `as` (the name of the variant that it makes), `from` (the variant to start from, by default the one "
        "of the step before), `measured` (set to `false` to leave the variant out of the report), `optional` (set to `true` to skip "
        "the step if what it needs is not installed) and `few_texts` (other values for a small data set).\n"
    )
    return "\n".join([opening, *(_step(step) for step in step_types().values())])


def _step(step: type[Step]) -> str:
    needs = f"from {' or '.join(f'`{kind}`' for kind in step.needs)}" if step.needs else "from a model"
    makes = "the same kind" if step.makes == SAME else f"`{step.makes}`"
    lines = [f"## {step.word()}", "", inspect.getdoc(step) or "", "", f"Makes {makes} {needs}.", ""]
    lines += [
        f"```bash\npacklight {step.word()} {step.example}\n```",
        "",
        "| key | type | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for each in options_of(step):
        kind = each.recipe_type.replace("|", "\\|")
        lines.append(f"| `{each.key}` | {kind} | {each.recipe_default} | {each.meaning} |")
    return "\n".join(lines) + "\n"


def _verb(name: str, command: Any) -> str:
    help_text = "\n".join(line.strip() for line in (command.help or "").splitlines())
    lines = [f"## {name}", "", help_text, "", "| option | default | description |", "| --- | --- | --- |"]
    lines += [_option(parameter) for parameter in command.params if parameter.name != "help"]
    return "\n".join(lines) + "\n"


def _option(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    names = f"`{parameter.metavar or parameter.name.upper()}`" if is_argument else _names(parameter)
    default = "" if parameter.default in (None, (), False) or callable(parameter.default) else f"`{parameter.default}`"
    if isinstance(parameter.show_default, str):
        default = parameter.show_default
    needed = "required" if parameter.required else default
    return f"| {names} | {needed} | {(parameter.help or '').replace('|', chr(92) + '|')} |"


def _names(parameter: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


GENERATED = {"reference/cli.md": cli_reference, "reference/steps.md": steps_reference}
"""pages made of the code, by their place"""


def _existing(entry: Any, docs: Path) -> Any:
    """Return a navigation entry without its missing pages, or None if nothing is left."""
    if isinstance(entry, str):
        return entry if entry in GENERATED or (docs / entry).is_file() else None
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
