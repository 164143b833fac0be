"""Recipes: an ordered list of typed steps, read from and written to YAML.

Each entry has its kind (`step`), the name of the variant that it makes (`as`), and the variant that it starts from
(`from`, by default that of the entry before it). Everything else is an option of that kind of step;
`steps.<step>.options` has the defaults. Unknown keys, wrong values and impossible orders are rejected before any work
starts.

Format history
    1   first published form
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args

import msgspec

from packlight.core_yaml import Place, YamlError, read_yaml, write_yaml
from packlight.errors import RecipeError
from packlight.expected import problem_of, shown
from packlight.files import atomic_write
from packlight.steps import step_types
from packlight.steps.step import SAME, Step

VERSION = 1
ReferenceName = Literal["bert-base", "distilbert"]
REFERENCES: tuple[str, ...] = get_args(ReferenceName)
LONGEST_MESSAGE = 1000
"""characters"""


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Steps in order, and the reference models to measure beside the variants."""

    version: Annotated[int, msgspec.Meta(description=f"Version of the recipe format: {VERSION}.")]
    name: Annotated[str, msgspec.Meta(description="Name of the recipe, for messages and the report.")]
    references: Annotated[
        tuple[ReferenceName, ...],
        msgspec.Meta(description="Models to measure beside the variants, for comparison."),
    ] = ()
    steps: Annotated[
        tuple[Step, ...],
        msgspec.Meta(
            description="Steps in order. Each makes a variant, from the one before it unless `from` names another."
        ),
    ]

    def parent_of(self, step: Step) -> Step | None:
        """The step that made the variant that this one starts from."""
        if not step.needs:
            return None
        if step.parent is not None:
            return next(other for other in self.steps if other.name == step.parent)
        return self.steps[self.steps.index(step) - 1]


def load_recipe(source: str | Path) -> Recipe:
    """Read a recipe: the name of a built-in one, or a YAML file.

    Raises:
        RecipeError: if there is no such recipe, or if it cannot be carried out.
    """
    built_in = resources.files("packlight").joinpath("recipes", "built_in")
    names = sorted(entry.name.removesuffix(".yaml") for entry in built_in.iterdir() if entry.name.endswith(".yaml"))
    if str(source) in names:
        return parse_recipe(built_in.joinpath(f"{source}.yaml").read_text(encoding="utf-8"), where=str(source))
    path = Path(source)
    if not path.is_file():
        raise RecipeError(f"no recipe {str(source)!r}: give a YAML file or one of {', '.join(names)}")
    try:
        return parse_recipe(path.read_text(encoding="utf-8"), where=str(path))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error


def parse_recipe(text: str, *, where: str = "recipe") -> Recipe:
    """Read a recipe from YAML text; `where` names it in errors.

    Raises:
        RecipeError: on unknown keys, wrong values or an impossible order.
    """
    try:
        document = read_yaml(text)
    except YamlError as error:
        raise RecipeError(f"{where}: {error}") from error
    return _recipe_of(document.value, where=where, places=document.places)


def _recipe_of(document: object, *, where: str, places: Mapping[str, Place] | None = None) -> Recipe:
    try:
        recipe = Recipe(**msgspec.structs.asdict(msgspec.convert(document, _document_type())))
    except msgspec.ValidationError as error:
        problem = _problem(document)
        # With several problems, msgspec reports another one: a problem of the head has the head's place.
        path = (
            "$"
            if problem is not None and not problem.startswith("step") and "steps" in _path_of(error)
            else _path_of(error)
        )
        raise RecipeError(f"{where}: {_place_of(path, places or {})}{_in_short(problem or str(error))}") from error
    _check_order(recipe, where)
    return recipe


def _in_short(words: str) -> str:
    """A message without the middle of an overlong value."""
    return (
        words
        if len(words) <= LONGEST_MESSAGE
        else f"{words[: LONGEST_MESSAGE // 2]} … {words[-LONGEST_MESSAGE // 2 :]}"
    )


def _path_of(error: msgspec.ValidationError) -> str:
    """The path of the value that an error is about, such as `$.steps[0].epochs`."""
    found = re.search(r"at `(\$[^`]*)`", str(error))
    return found[1] if found else "$"


def _place_of(path: str, places: Mapping[str, Place]) -> str:
    """The position of a value, or of the nearest value around it: `line 4, column 3: `."""
    while path not in places and len(path) > 1:
        path = re.sub(r"(\.[^.\[]*|\[[^\]]*\])$", "", path) if re.search(r"[.\[]", path) else "$"
    return f"{places[path]}: " if path in places else ""


def recipe_of(steps: Sequence[Step | Mapping[str, Any]], *, name: str = "custom") -> Recipe:
    """Build a recipe from steps in Python.

    Args:
        steps: in order: option objects, such as `Prune(name="small", layers=3)`, or mappings with the keys of YAML,
            such as `{"step": "prune", "as": "small", "layers": 3}`.
        name: the recipe's name.

    Raises:
        RecipeError: on unknown keys, wrong values or an impossible order.
    """
    plain = [msgspec.to_builtins(step) if isinstance(step, Step) else dict(step) for step in steps]
    return _recipe_of({"version": VERSION, "name": name, "steps": plain}, where=name)


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe as YAML, with every option spelled out."""
    atomic_write(path, write_yaml(msgspec.to_builtins(recipe)))


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, for editors: every step with its options, their limits and meanings."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "packlight recipe"}
    return schema | msgspec.json.schema(_document_type())


@cache
def _document_type() -> type[msgspec.Struct]:
    """The form of a recipe in YAML, whose entries can be any kind of step."""
    fields = [
        (field.name, _steps_type(field.type) if field.name == "steps" else field.type, field.default)
        for field in msgspec.structs.fields(Recipe)
    ]
    return msgspec.defstruct("Recipe", fields, kw_only=True, forbid_unknown_fields=True)


def _steps_type(described: Any) -> Any:
    """The annotation of a recipe's steps, with every kind of step instead of their base class."""
    entry: Any = Union[tuple(step_types().values())]  # noqa: UP007 - made at run time
    annotated: Any = Annotated
    return annotated[tuple[entry, ...], *described.__metadata__]


OPTIONS = "`packlight recipes --options` lists the steps and their keys"


def _problem(document: object) -> str | None:
    """What is wrong with a document: where, what was given and what is expected; None if no problem is found."""
    if not isinstance(document, dict):
        return f"a recipe is a mapping of version, name and steps, but this is {shown(document)}"
    head = {key: value for key, value in document.items() if key != "steps"}
    if (problem := problem_of(Recipe, head | {"steps": ()})) is not None:
        return f"{problem}; {OPTIONS}" if "no key" in problem else problem
    entries = document.get("steps")
    if not isinstance(entries, list):
        return f"steps is {shown(entries)}, but must be a list of steps; {OPTIONS}"
    for number, entry in enumerate(entries, start=1):
        if (problem := _problem_of_entry(entry)) is not None:
            name = entry.get("as") if isinstance(entry, dict) else None
            word = f" ({entry['step']})" if isinstance(entry, dict) and "step" in entry else ""
            return f"step {number}{f', {name!r}' if isinstance(name, str) and name else ''}{word}: {problem}"
    return None


def _problem_of_entry(entry: object) -> str | None:
    if not isinstance(entry, dict) or "step" not in entry:
        return f"{shown(entry)} doesn't name its step; write `step: distill` or another. {OPTIONS}"
    kind = step_types().get(entry["step"]) if isinstance(entry["step"], str) else None
    if kind is None:
        return f"there is no step {entry['step']!r}; there are {', '.join(step_types())}"
    problem = problem_of(kind, entry)
    return f"{problem}; {OPTIONS}" if problem and "no key" in problem else problem


def _check_order(recipe: Recipe, where: str) -> None:
    if recipe.version != VERSION:
        raise RecipeError(f"{where}: version {recipe.version} is not the {VERSION} that this packlight reads")
    if not recipe.steps:
        raise RecipeError(f"{where}: has no steps")
    made: dict[str, str] = dict.fromkeys(recipe.references, "reference")
    previous: str | None = None
    optional: set[str] = set()
    for step in recipe.steps:
        if problem := step.contradiction or step.few_texts_problem:
            raise RecipeError(f"{where}: {step.name} ({step.kind}): {problem}")
        if step.name in made:
            raise RecipeError(f"{where}: two variants have the name {step.name!r}")
        parent = _parent(step, previous, where)
        origins = ({parent: step.needs} if parent else {}) | step.other_parents | step.for_texts(0).other_parents
        for origin, kinds in origins.items():
            _check_origin(step, origin, kinds, made, where)
        if not step.optional and (unsure := sorted(optional.intersection(origins))):
            raise RecipeError(
                f"{where}: {step.name} starts from {unsure[0]!r}, which is optional and may be skipped: make {step.name} "
                "`optional: true` too"
            )
        optional |= {step.name} if step.optional else set()
        if (other := next((name for name in made if name.lower() == step.name.lower()), None)) is not None:
            raise RecipeError(
                f"{where}: {other!r} and {step.name!r} are the same folder on file systems that ignore case, as on "
                f"Windows and macOS; rename one"
            )
        made[step.name] = made[parent] if parent and step.makes == SAME else step.makes
        previous = step.name
    if not any(step.measured for step in recipe.steps):
        raise RecipeError(f"{where}: no variant is measured; remove `measured: false` from one")


def _parent(step: Step, previous: str | None, where: str) -> str | None:
    if not step.needs:
        if step.parent is not None:
            raise RecipeError(
                f"{where}: {step.name} ({step.kind}) starts from a model, not from a variant; remove `from`"
            )
        return None
    parent = step.parent or previous
    if parent is None:
        raise RecipeError(f"{where}: {step.name} ({step.kind}) comes first, but must start from a variant")
    return parent


def _check_origin(step: Step, origin: str, kinds: tuple[str, ...], made: dict[str, str], where: str) -> None:
    if origin not in made:
        raise RecipeError(f"{where}: {step.name} starts from {origin!r}, which no earlier step makes")
    if made[origin] not in kinds:
        raise RecipeError(
            f"{where}: {step.name} ({step.kind}) needs {' or '.join(kinds)}, but {origin!r} is {made[origin]}",
        )
