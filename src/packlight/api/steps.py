"""The steps as functions, with the same options as commands and recipes: `packlight.prune(model, data, layers=3)`."""

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from packlight.data import as_dataset
from packlight.pipeline.single_step import build_step, place_of, run_step
from packlight.progress import watching
from packlight.runtime.artifact import Artifact
from packlight.steps import step_types
from packlight.steps.option import Option, options_of
from packlight.steps.step import Step

COLUMNS = ("text_column", "label_column", "oos_label")
"""parameters that say how to read the data, as for the commands"""


@cache
def step_function(name: str) -> Callable[..., Artifact]:
    """Create the function of a step, with the step's options as keywords.

    Args:
        name: the step's name with underscores, such as `distill_static`.

    Raises:
        KeyError: if there is no such step.
    """
    step = step_types()[name.replace("_", "-")]
    fields = options_of(step)
    asked = [
        *([_parameter("model", str | Path | Artifact, keyword=False)] if step.needs else []),
        _parameter("data", Any, keyword=False),
        *(_parameter(each.name, _type(each)) for each in fields if each.required),
        _parameter("out", str | Path, Path("artifacts") / (step.artifact_name or step.word())),
        *(_parameter(each.name, _type(each), each.default) for each in fields if not each.required),
        *(_parameter(name, str | None, None) for name in COLUMNS),
        _parameter("seed", int, 0),
        _parameter("on_progress", Callable[[str, float, float], None] | None, None),
    ]
    signature = inspect.Signature(asked, return_annotation=Artifact)

    def function(*args: Any, **keywords: Any) -> Artifact:
        bound = signature.bind(*args, **keywords)
        stated = {each.name: bound.arguments[each.name] for each in fields if each.name in bound.arguments}
        bound.apply_defaults()
        given, out = bound.arguments, Path(bound.arguments["out"])
        built, other_parents = build_step(step, out, stated)
        dataset = as_dataset(given["data"], seed=given["seed"], **{name: given[name] for name in COLUMNS})
        parent = place_of(given["model"]) if step.needs else None
        with watching(given["on_progress"]):
            return run_step(built, dataset, out, parent=parent, other_parents=other_parents, seed=given["seed"])[0]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _documentation(step)
    function.__signature__ = signature  # type: ignore[attr-defined] # what help() and editors read
    return function


_EMPTY = inspect.Parameter.empty


def _parameter(name: str, kind: Any, default: Any = _EMPTY, *, keyword: bool = True) -> inspect.Parameter:
    place = inspect.Parameter.KEYWORD_ONLY if keyword else inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, place, annotation=kind, default=default)


def _type(option: Option) -> Any:
    """An option's type in a signature. Artifacts, models and files can be paths as well as strings."""
    kinds = list(option.kinds)
    if option.takes != "value":
        plain = [kind for kind in option.kinds if kind is not str and not option.lists]
        kinds = [tuple[str | Path | Artifact, ...] if option.lists else str, Path, *plain]
        kinds += [Artifact] if option.takes == "variant" and not option.lists else []
    union = kinds[0]
    for each in [*kinds[1:], *([None] if option.nullable else [])]:
        union |= each
    return union


def _documentation(step: type[Step]) -> str:
    lines = [inspect.getdoc(step) or "", "", "Args:"]
    if step.needs:
        lines.append("    model: Artifact, its directory, or any fine-tuned classifier (a directory or a Hub id).")
    lines += [
        "    data: Labelled texts: a data frame, a `DatasetDict`, a list, `(texts, labels)`, or a path.",
        "    out: Directory for the artifact. Its last part names the variant.",
    ]
    for each in options_of(step):
        null = f" None: {each.null}." if each.nullable and each.null else ""
        lines.append(f"    {each.name}: {each.description}{null}")
    lines += [
        "    text_column: Column with the texts. Detected by its name by default.",
        "    label_column: Column with the labels. Detected by its name by default.",
        "    oos_label: Label of out-of-scope texts. Detected by its name by default.",
        "    seed: Random seed.",
        "    on_progress: Called as `on_progress(stage, done, total)`. An exception from it stops the step.",
    ]
    lines += ["", "Returns:", "    The artifact. If `out` already has the same one, nothing is built."]
    lines += ["", "Raises:", "    PacklightError: If the step cannot be applied. The message says what to do."]
    return "\n".join(lines)
