"""The kinds of step, each a frozen record of its options.

A step says which kinds of model it can start from and which kind it makes:

    torch        a float32 classifier in PyTorch
    torch-int8   the same with int8 linear layers
    onnx         a float32 ONNX graph
    onnx-int8    an ONNX graph with int8 weights
    static       hashed n-gram embeddings and a small head, on numpy
    cascade      two models, the first of which passes on what it is unsure of
"""

from typing import Annotated, ClassVar, Literal

import msgspec

from packlight.errors import RecipeError

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]

Count = Annotated[int, msgspec.Meta(ge=0)]

Positive = Annotated[int, msgspec.Meta(ge=1)]

Rate = Annotated[float, msgspec.Meta(gt=0)]

Weight = Annotated[float, msgspec.Meta(ge=0)]

OosRate = Annotated[float, msgspec.Meta(gt=0, lt=1)] | Literal["val"]

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="step"):
    """What every step has."""

    needs: ClassVar[tuple[str, ...]] = ()
    """the kinds of model that it can start from; empty for none"""
    makes: ClassVar[str] = ""
    """the kind of model that it makes; SAME for its parent's"""

    name: Name = msgspec.field(name="as")
    parent: Name | None = msgspec.field(default=None, name="from")
    measured: bool = True
    """whether the variant becomes a row of the report; false for one that only others start from"""

    @property
    def kind(self) -> str:
        """The step's word in a recipe."""
        return str(type(self).__struct_config__.tag)

    @property
    def others(self) -> dict[Name, tuple[str, ...]]:
        """The variants besides the parent that it starts from, and the kinds that each may be."""
        return {}

    @property
    def files(self) -> tuple[str, ...]:
        """Files besides the data that it reads; their content determines what it makes."""
        return ()

    @property
    def contradiction(self) -> str | None:
        """Why its options cannot go together; None where they can."""
        return None

    def options(self) -> dict[str, object]:
        """Everything but the names, as plain data."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return {key: value for key, value in plain.items() if key not in ("step", "as", "from", "measured")}


def check_options(step: Step) -> None:
    """Check a step that was built in code the way a recipe's is.

    Raises:
        RecipeError: when a value is out of its range, or two options contradict each other.
    """
    try:
        msgspec.convert(msgspec.to_builtins(step), type(step))
    except msgspec.ValidationError as error:
        raise RecipeError(f"{step.kind}: {error}") from error
    if step.contradiction:
        raise RecipeError(f"{step.kind}: {step.contradiction}")
