"""The base class of all steps. A step is a frozen record of its options, each of which is described once.

A step's options determine its keys in a recipe, their JSON Schema, its command with the help, its page in the
reference, and its Python function.

A step states which kinds of model it can start from, and which kind it makes:

    torch        a float32 classifier in PyTorch
    torch-int8   the same with int8 linear layers
    onnx         a float32 ONNX graph
    onnx-int8    an ONNX graph with int8 weights
    static       hashed n-gram embeddings and a small head, on numpy
    openvino     an OpenVINO graph, in float32 or int8
    torch-compiled   as torch, but run with `torch.compile`
    cascade      two models, the first of which passes on texts that it is not confident about
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self

import msgspec

from packlight.errors import RecipeError
from packlight.expected import problem_of, shown
from packlight.extras import require

if TYPE_CHECKING:
    from packlight.data import Dataset
    from packlight.models import Checkpoint
    from packlight.models.adoption import HeadPlan
    from packlight.models.structure import Structure

Takes = Literal["value", "variant", "model", "file"]


class Span(NamedTuple):
    """A range of numbers that a search tries, both ends included. Only whole numbers if the ends are whole."""

    low: float
    high: float
    step: float | None = None
    log: bool = False


Searched = Span | tuple[Any, ...]
"""what a search tries: a range of numbers, or the values of a tuple"""


def described(
    text: str, *, null: str | None = None, takes: Takes = "value", searched: Searched | None = None
) -> msgspec.Meta:
    """Describe an option, for the help, the schema and the reference.

    Args:
        text: a noun phrase or an imperative that stands alone, with the unit.
        null: what happens when the option is null.
        takes: what a string refers to: another variant of the recipe (an artifact's folder on the command line), a
            model (a Hub id, a folder, `minilm` or `mpnet`), or a file.
        searched: what `packlight search` tries if it varies the option; None if it never does.
    """
    return msgspec.Meta(description=text, extra={"null": null, "takes": takes, "searched": searched})


Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]

Count = Annotated[int, msgspec.Meta(ge=0)]

Positive = Annotated[int, msgspec.Meta(ge=1)]

Rate = Annotated[float, msgspec.Meta(gt=0)]

Weight = Annotated[float, msgspec.Meta(ge=0)]

OosRate = Annotated[float, msgspec.Meta(gt=0, lt=1)] | Literal["val"]

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

SAME = "same"
"""stands for the kind of model that the step starts from"""

OWN = ("name", "parent", "measured", "optional", "few_texts")
"""fields that every step has; the others are the step's options"""

BELOW = "below"
"""the key of `few_texts` beside the options"""


class LengthOptions(NamedTuple):
    """What a step that trains an encoder states about the length of texts."""

    max_length: int | None
    """in tokens; None to choose it from the training texts"""
    long_texts: str
    """how longer texts are handled"""


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="step"):
    """The fields of every step, and what packlight asks each step."""

    needs: ClassVar[tuple[str, ...]] = ()
    """the kinds of model that it can start from; empty if it doesn't start from a variant"""
    makes: ClassVar[str] = ""
    """the kind of model that it makes; SAME for the parent's kind"""
    generation: ClassVar[int] = 1
    """increased when a change of the code changes results, so that variants are built again"""
    modules: ClassVar[tuple[str, ...]] = ("torch", "transformers", "accelerate", "onnx", "onnxscript", "scipy")
    """what must be installed to apply it"""
    trains: ClassVar[Literal["labels", "teacher"] | None] = None
    """what it learns from; None if it doesn't train"""
    keeps_model: ClassVar[bool] = False
    """whether its result is still the given model, so that no student has to be trained"""
    lasting_facts: ClassVar[tuple[str, ...]] = ()
    """facts in its manifest that also apply to variants built from this one"""
    next_step: ClassVar[str | None] = None
    """the step that usually follows; None if the kind of its result decides"""
    usually_after: ClassVar[str | None] = None
    """the kind of model that it is usually the next step for"""
    needs_restoring: ClassVar[bool] = False
    """whether `next_step` restores the accuracy of its result, with its own parent as the teacher"""
    artifact_name: ClassVar[str] = ""
    """the last part of the default `--out`"""
    example: ClassVar[str] = ""
    """the arguments of an example call"""

    name: Annotated[Name, described("Name of the variant that the step makes.")] = msgspec.field(name="as")
    parent: Annotated[Name | None, described("Variant to start from.", null="the step before", takes="variant")] = (
        msgspec.field(default=None, name="from")
    )
    measured: Annotated[
        bool, described("Add a row to the report. Set to false for a variant that only others start from.")
    ] = True
    optional: Annotated[
        bool, described("Skip the step if what it needs is not installed, and the optional steps that start from it.")
    ] = False
    few_texts: Annotated[
        dict[str, Any] | None,
        described(
            f"Other values for a small data set: `{BELOW}` is a number of training texts, and the options beside it apply if there "
            "are fewer.",
            null="the same values for every data set",
        ),
    ] = None

    @classmethod
    def word(cls) -> str:
        """The step's name in a recipe and on the command line."""
        return str(cls.__struct_config__.tag)

    @property
    def kind(self) -> str:
        """The step's name."""
        return self.word()

    @property
    def other_parents(self) -> dict[Name, tuple[str, ...]]:
        """The variants besides the parent that it uses, and the kinds that each can be."""
        return {}

    @property
    def files(self) -> tuple[str, ...]:
        """Files that it reads besides the data. Their content is part of the fingerprint."""
        return ()

    @property
    def contradiction(self) -> str | None:
        """Why its options contradict each other; None if they don't."""
        return None

    @property
    def few_texts_problem(self) -> str | None:
        """What is wrong with its values for a small data set; None if nothing is."""
        if self.few_texts is None:
            return None
        below = self.few_texts.get(BELOW)
        options = self.few_texts_options
        if not isinstance(below, int) or isinstance(below, bool) or below < 1:
            return f"few_texts: {BELOW} is {shown(below)}, but must be a whole number of at least 1"
        if not options:
            return "few_texts: no option would change; add one"
        if own := next((key for key in options if key in (*OWN, "as", "from", "step")), None):
            return f"few_texts: {own} can't depend on the number of texts; only the options of `{self.kind}` can"
        if (problem := problem_of(type(self), self._plain | options)) is not None:
            return f"few_texts: {problem}"
        contradiction = self._with_few_texts.contradiction
        return None if contradiction is None else f"few_texts: {contradiction}"

    @property
    def few_texts_options(self) -> dict[str, Any]:
        """The options that are other for a small data set, with their values there."""
        return {key: value for key, value in (self.few_texts or {}).items() if key != BELOW}

    def are_few(self, count: int) -> bool:
        """Whether it has other values for this number of training texts."""
        return self.few_texts is not None and count < self.few_texts[BELOW]

    def for_texts(self, count: int) -> Self:
        """The step for a data set, whose values don't depend on its size any more.

        Args:
            count: the number of training texts.
        """
        return self._with_few_texts if self.are_few(count) else msgspec.structs.replace(self, few_texts=None)

    @property
    def _plain(self) -> dict[str, Any]:
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    @property
    def _with_few_texts(self) -> Self:
        return msgspec.convert(self._plain | self.few_texts_options | {"few_texts": None}, type(self))

    @property
    def length_options(self) -> "LengthOptions | None":
        """The stated length of its texts; None if it doesn't train an encoder."""
        return None

    @property
    def planned_epochs(self) -> int:
        """The number of epochs that it plans to train for; 0 if it doesn't train."""
        return 0

    def own_seed(self, seed: int) -> int:
        """The random seed that it uses, given that of the run."""
        return seed

    def start_model(self, default: str) -> str | None:  # noqa: ARG002 - steps that start from a model use it
        """The checkpoint that it starts from besides its parent, or None.

        Args:
            default: the run's `--model`.
        """
        return None

    def adopts(self, checkpoint: "Checkpoint", labels: tuple[str, ...]) -> bool:  # noqa: ARG002 - fine-tuning uses them
        """Whether it uses a model as it is, without training.

        Args:
            checkpoint: the model that it starts from.
            labels: of the data.
        """
        return False

    def check_used(self, checkpoint: "Checkpoint", labels: tuple[str, ...]) -> None:
        """Check that its options have an effect on the model that it starts from. For the step alone: a recipe is for many models.

        Args:
            checkpoint: what `start_model` names.
            labels: of the data.

        Raises:
            RecipeError: if one has none.
        """

    def head_plan(self, checkpoint: "Checkpoint", labels: tuple[str, ...]) -> "HeadPlan":
        """What happens to the head of the model that it starts from.

        Args:
            checkpoint: what `start_model` names.
            labels: of the data.

        Raises:
            ModelError: if the model's head does not assign one label to each text, or if its labels are not the data's.
        """
        from packlight.models.adoption import plan_head  # few steps start from a model

        return plan_head(checkpoint, labels)

    def obstacle(self, structure: "Structure") -> str | None:  # noqa: ARG002 - steps that take parts out use it
        """Why it cannot be applied to a model of this architecture; None if it can.

        Args:
            structure: the structure of the classifier that it starts from.
        """
        return None

    def result_structure(self, structure: "Structure") -> "Structure":
        """The structure of a classifier after this step."""
        return structure

    def check_machine(self) -> None:
        """Check that this machine can apply the step and run its result.

        Raises:
            PacklightError: if it cannot. The message says what to install.
        """
        require(*self.modules, purpose=f"`{self.kind}`")

    def check_data(self, data: "Dataset") -> None:  # noqa: ARG002 - steps that need certain texts use it
        """Check the labelled texts and the files that it reads, before the run spends hours on earlier steps.

        Raises:
            DataError: if a file cannot be read.
            RecipeError: if the texts lack what it needs.
        """
        from packlight.data.text_file import read_lines  # few steps read files

        for file in self.files:
            read_lines(Path(file))

    def options(self) -> dict[str, object]:
        """All fields except the names, as plain data."""
        return {key: value for key, value in self._plain.items() if key not in ("step", "as", "from", *OWN)}


def variant_name(words: str) -> str:
    """A variant name from a name on disk or on the Hub, without the characters that a variant name cannot have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", words).lstrip("._-")[:63] or "model"


def check_options(step: Step) -> None:
    """Check a step that was built in Python as strictly as one from a recipe.

    Raises:
        RecipeError: if a value is out of range, or if two options contradict each other.
    """
    if (problem := problem_of(type(step), msgspec.to_builtins(step))) is not None:
        raise RecipeError(f"{step.kind}: {problem}")
    if problem := step.contradiction or step.few_texts_problem:
        raise RecipeError(f"{step.kind}: {problem}")
