"""Recipes: an ordered list of typed steps, read from and written to YAML.

Each entry says its kind (`step`), the name of the variant that it makes (`as`), and the variant that it starts
from (`from`, by default the entry before it). Everything else is an option of that kind of step with its default
below. Unknown keys, wrong values and impossible orders are refused before any work starts.

Format history
    1   first published form
"""

from importlib import resources
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec
import yaml

from packlight.errors import RecipeError
from packlight.files import write_whole

VERSION = 1
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Index = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Rate = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="step"):
    """What every step has."""

    needs: ClassVar[tuple[str, ...]] = ()
    """the kinds of model that a step can start from: encoder, torch, onnx; empty for none"""
    makes: ClassVar[str] = ""
    """the kind of model that it makes"""

    name: Name = msgspec.field(name="as")
    parent: Name | None = msgspec.field(default=None, name="from")

    @property
    def kind(self) -> str:
        """The step's word in a recipe."""
        return str(type(self).__struct_config__.tag)

    def options(self) -> dict[str, object]:
        """Everything but the names, as plain data."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return {key: value for key, value in plain.items() if key not in ("step", "as", "from")}


class Training(_Step, frozen=True, kw_only=True):
    """Options that all training shares."""

    epochs: Positive = 3
    min_updates: Annotated[int, msgspec.Meta(ge=0)] = 0
    """epochs are added until the optimiser makes so many updates, which small data sets need"""
    learning_rate: Rate = 1e-4
    head_learning_rate: Rate | None = 2e-3
    """rate of the classification head; null for the same as the encoder's"""
    batch_size: Positive = 32
    warmup: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    """share of all updates over which the rate rises"""
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.01
    max_length: Annotated[int, msgspec.Meta(ge=4, le=8192)] = 128
    """texts are cut to so many tokens"""
    patience: Positive = 2
    """epochs without a better accuracy on val after which training stops; where epochs were added, a third of all"""
    bf16: bool | None = None
    """bfloat16 autocast; null for where the processor has it"""


class Finetune(Training, frozen=True, kw_only=True, tag="finetune"):
    """Fine-tune a pretrained encoder, or adopt a classifier that already knows the data's labels."""

    needs = ()
    makes = "torch"

    model: str | None = None
    """Hub id, folder or word; null for the run's --model"""
    train_anyway: bool = False
    """go on training a model that already classifies the data's labels"""


class Distill(Training, frozen=True, kw_only=True, tag="distill"):
    """Teach a smaller student what the parent knows (Hinton et al. 2015)."""

    needs = ("torch",)
    makes = "torch"

    student: str | None = None
    """a checkpoint to start from; null to take layers of the teacher"""
    layers: tuple[Index, ...] | Positive = 3
    """which of the teacher's layers, counted from 0; a number takes so many, evenly spaced"""
    alpha: Share = 0.1
    """weight of the labels against the teacher's answers"""
    temperature: Rate = 2.0
    epochs: Positive = 6
    min_updates: Annotated[int, msgspec.Meta(ge=0)] = 300
    learning_rate: Rate = 3e-4
    freeze_layers: Index = 0
    """so many layers, and the embeddings, stay as they are at first"""
    freeze_epochs: Index = 0
    """after so many epochs they are trained too"""
    boost_weak: Annotated[float, msgspec.Meta(ge=1)] = 1.0
    """factor on the loss of the classes that the student struggles with; 1 for none"""


class QuantizeTorch(_Step, frozen=True, kw_only=True, tag="quantize-torch"):
    """Dynamic int8 of every linear layer, in PyTorch."""

    needs = ("torch",)
    makes = "torch-int8"

    agreement: Share = 0.9
    """least share of labels, on val texts, that must stay the parent's"""


class Export(_Step, frozen=True, kw_only=True, tag="export"):
    """Write the model as an ONNX graph, batch and length dynamic, fused for ONNX Runtime."""

    needs = ("torch",)
    makes = "onnx"

    opset: Annotated[int, msgspec.Meta(ge=18, le=25)] = 18
    fuse: bool = True
    """join attention, layer norm and GELU into ONNX Runtime's own operators"""
    tolerance: Rate = 1e-3
    """largest difference of a logit from the parent's that is let pass"""


class QuantizeOnnx(_Step, frozen=True, kw_only=True, tag="quantize-onnx"):
    """int8 weights, embeddings included, with dynamic or static activations."""

    needs = ("onnx",)
    makes = "onnx-int8"

    mode: Literal["dynamic", "static"] = "dynamic"
    per_channel: bool = True
    reduce_range: bool | None = None
    """7-bit weights, exact where the processor lacks VNNI; null for where it does"""
    calibration_texts: Positive = 512
    """training texts that static ranges are taken from"""
    agreement: Share = 0.9
    """least share of labels, on val texts, that must stay the parent's"""


Step = Finetune | Distill | QuantizeTorch | Export | QuantizeOnnx


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Steps in order, and the reference rows to measure beside them."""

    version: int
    name: str
    references: tuple[Literal["bert-base", "distilbert"], ...] = ()
    steps: tuple[Step, ...]

    def parent_of(self, step: Step) -> Step | None:
        """The step that made what this one starts from."""
        if not step.needs:
            return None
        if step.parent is not None:
            return next(other for other in self.steps if other.name == step.parent)
        return self.steps[self.steps.index(step) - 1]


def load_recipe(source: str | Path) -> Recipe:
    """Read a recipe: the name of a built-in one, or a YAML file.

    Raises:
        RecipeError: when there is no such recipe, or it cannot be carried out.
    """
    built_in = resources.files("packlight").joinpath("recipes")
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
        document = yaml.safe_load(text)
        recipe = msgspec.convert(document, Recipe)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}: not YAML: {error}") from error
    except msgspec.ValidationError as error:
        raise RecipeError(f"{where}: {_explain(str(error), document)}") from error
    _check_order(recipe, where)
    return recipe


def check_options(step: Step) -> None:
    """Check a step that was built in code the way a recipe's is.

    Raises:
        RecipeError: when a value is out of its range.
    """
    try:
        msgspec.convert(msgspec.to_builtins(step), type(step))
    except msgspec.ValidationError as error:
        raise RecipeError(f"{step.kind}: {error}") from error


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe with every option spelled out."""
    write_whole(path, yaml.safe_dump(msgspec.to_builtins(recipe), sort_keys=False, allow_unicode=True))


def _explain(message: str, document: object) -> str:
    if "unknown field" in message and isinstance(document, dict):
        return f"{message}; `packlight recipes --options` lists the steps and their keys"
    return message


def _check_order(recipe: Recipe, where: str) -> None:
    if recipe.version != VERSION:
        raise RecipeError(f"{where}: version {recipe.version} is not the {VERSION} that this packlight reads")
    if not recipe.steps:
        raise RecipeError(f"{where}: has no steps")
    made: dict[str, str] = dict.fromkeys(recipe.references, "reference")
    previous: str | None = None
    for step in recipe.steps:
        if step.name in made:
            raise RecipeError(f"{where}: two variants are called {step.name!r}")
        _check_parent(step, made, previous, where)
        made[step.name] = step.makes
        previous = step.name


def _check_parent(step: Step, made: dict[str, str], previous: str | None, where: str) -> None:
    if not step.needs:
        if step.parent is not None:
            raise RecipeError(
                f"{where}: {step.name} ({step.kind}) starts from a model, not from a variant; drop `from`"
            )
        return
    parent = step.parent or previous
    if parent is None:
        raise RecipeError(f"{where}: {step.name} ({step.kind}) comes first, but must start from a variant")
    if parent not in made:
        raise RecipeError(f"{where}: {step.name} starts from {parent!r}, which no earlier step makes")
    if made[parent] not in step.needs:
        raise RecipeError(
            f"{where}: {step.name} ({step.kind}) needs {' or '.join(step.needs)}, but {parent!r} is {made[parent]}",
        )
