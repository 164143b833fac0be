"""The steps of a recipe, one folder each: `options.py` defines the options, `apply.py` applies the step.

A step is found by its location: a folder here with both files. Its `apply.py` is loaded when the step runs, so that reading
a recipe needs no torch.
"""

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from packlight.steps.step import Step

if TYPE_CHECKING:
    from packlight.steps.context import StepContext, StepResult

__all__ = ["Step", "apply", "modules_of", "next_step_for", "step_names", "step_types"]


def step_names() -> tuple[str, ...]:
    """The names of all steps, without importing them: those of the folders here with `apply.py`, with `-` for `_`."""
    return tuple(folder.name.replace("_", "-") for folder in _folders())


@cache
def step_types() -> dict[str, type[Step]]:
    """Every step by its name: the folders here with `options.py` and `apply.py`."""
    found = {}
    for folder in _folders():
        options = import_module(f"{__name__}.{folder.name}.options")
        for value in vars(options).values():
            if isinstance(value, type) and issubclass(value, Step) and value.__module__ == options.__name__:
                found[str(value.__struct_config__.tag)] = value
    return found


def _folders() -> list[Path]:
    return sorted(each.parent for place in __path__ for each in Path(place).glob("*/apply.py"))


def next_step_for(kind: str) -> str | None:
    """The step that usually follows for a kind of model, such as `onnx`; None if it is ready to ship."""
    return next((word for word, step in step_types().items() if step.usually_after == kind), None)


def modules_of(steps: Iterable[Step]) -> tuple[str, ...]:
    """The modules needed to apply some steps, without duplicates and without those of optional steps."""
    return tuple(dict.fromkeys(module for step in steps if not step.optional for module in step.modules))


def apply(step: Step, context: "StepContext") -> "StepResult":
    """Fill the context's output folder with the step's variant.

    Args:
        step: the step.
        context: its input and its folders.

    Raises:
        ParityError: if the variant doesn't match its parent.
    """
    result: StepResult = import_module(f"{type(step).__module__.rpartition('.')[0]}.apply").apply(step, context)
    return result
