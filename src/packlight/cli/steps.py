"""The commands of the steps, generated from their options. A new step gets its command without further code."""

import inspect
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

import msgspec
import typer

from packlight.cli import options
from packlight.cli.show import show_json
from packlight.cli.source import DataOptions, with_data_options
from packlight.data import Dataset
from packlight.data.dataset import as_options
from packlight.data.load import SAMPLE
from packlight.expected import expected
from packlight.pipeline.single_step import build_step, run_step
from packlight.progress import info
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import form_of
from packlight.steps import next_step_for, step_types
from packlight.steps.option import Option, options_of, value_words
from packlight.steps.step import Step

Parent = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Model to start from: the folder of an artifact, or any fine-tuned classifier (a folder or a Hub id).",
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the artifact. Its last part names the variant.")]


@dataclass(frozen=True)
class _Given:
    """A value from the command line, which may be null. An option that is not given is None instead."""

    value: Any


def verb(step: type[Step]) -> Callable[..., None]:
    """A step's command for typer: parent, `--data`, `--out`, and the step's own options."""
    fields = options_of(step)
    asked = [
        *([_parameter("parent", Parent)] if step.needs else []),
        _parameter("source", DataOptions),
        _parameter("out", Out, Path("artifacts") / (step.artifact_name or step.word())),
        *map(_asked, fields),
        _parameter("as_json", options.AsJson, default=False),
    ]

    def call(*, source: DataOptions, out: Path, as_json: bool, parent: str | None = None, **words: Any) -> None:
        given = {name: _value(word) for name, word in words.items() if word is not None}
        built, other_parents = build_step(step, out, given)
        data = source.read()
        artifact, made = run_step(built, data, out, parent=parent, other_parents=other_parents, seed=source.seed)
        if as_json:
            show_json({"artifact": str(out), "made": made, "facts": artifact.manifest.facts})
        else:
            info(f"artifact: {out}   next: {_next(artifact, data, parent)}")

    call.__name__ = step.word().replace("-", "_")
    call.__doc__ = f"{inspect.getdoc(step)}\n\nExample: `packlight {step.word()} {step.example}`"
    call.__signature__ = inspect.Signature(asked)  # type: ignore[attr-defined] # typer reads the options from here
    return with_data_options(call)


def _parameter(name: str, kind: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _asked(option: Option) -> inspect.Parameter:
    """A command line option for a step's option. Its description is the help text."""
    absent = option.default in (None, ())
    settings: dict[str, Any] = {
        "help": option.description,
        "show_default": option.default_words if absent and not option.required else not option.required,
        "rich_help_panel": "Training options" if option.shared else None,
    }
    kind, default = option.kinds[0], None if absent else option.default
    names: list[str] = []
    if len(option.kinds) > 1 or not (kind is bool or get_origin(kind) is Literal):
        kind, default = Any, None if absent else value_words(option.default)
        metavar = option.type_words.replace(" ", "").replace("variant", "artifact").upper()
        settings |= {"parser": lambda word: _read(option, word), "metavar": metavar}
    elif kind is bool:
        # An option that is off by default needs no switch to turn it off.
        names = [f"--{option.name.replace('_', '-')}"] if default is False else []
        settings |= {"metavar": " "} | ({"show_default": False} if default is False else {})
    else:
        settings["metavar"] = "NAME"
    whole = kind if kind is Any else kind | None
    annotated: Any = Annotated
    return _parameter(
        option.name,
        annotated[whole, typer.Option(*names, **settings)],
        inspect.Parameter.empty if option.required else default,
    )


def _read(option: Option, word: str) -> _Given:
    """Parse a word as a recipe would: `4e-3`, `val`, `null`, and `0,2,5` if the option takes a list.

    Raises:
        BadParameter: if the option doesn't take this value.
    """
    listed = option.lists and ("," in word or len(option.kinds) == 1)
    value = word.rstrip(",").split(",") if listed else word
    if option.takes == "variant":
        return _Given(value)
    try:
        return _Given(msgspec.convert(value, option.type, strict=False))
    except msgspec.ValidationError as error:
        raise typer.BadParameter(f"{word!r} was given, but it must be {expected(option.type)}") from error


def _value(word: Any) -> Any:
    return word.value if isinstance(word, _Given) else word


def _next(artifact: Artifact, data: Dataset, parent: str | None) -> str:
    """The command that usually follows."""
    manifest, path = artifact.manifest, shlex.quote(str(artifact.path))
    source = [] if data.source == SAMPLE else ["--data", data.source]
    texts = "".join(f" {shlex.quote(word)}" for word in (*source, *as_options(data.reading)))
    follows = step_types()[manifest.step].next_step or next_step_for(form_of(manifest))
    if follows is None:
        return f'packlight predict {path} "a text"'
    if step_types()[manifest.step].needs_restoring:
        out = shlex.quote(f"{artifact.path}-restored")
        return f"packlight {follows} {shlex.quote(str(parent))}{texts} --start {path} --out {out}"
    out = shlex.quote(f"{artifact.path}-{step_types()[follows].artifact_name or follows}")
    return f"packlight {follows} {path}{texts} --out {out}"
