"""Options of `finetune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from packlight.errors import RecipeError
from packlight.models.adoption import HeadPlan, plan_head, read_label_map
from packlight.steps.step import Count, described
from packlight.steps.training.options import Training

if TYPE_CHECKING:
    from packlight.data import Dataset
    from packlight.models import Checkpoint


ONLY_TRAINING = (
    "epochs",
    "min_updates",
    "learning_rate",
    "head_learning_rate",
    "batch_size",
    "warmup",
    "weight_decay",
    "dropout",
    "patience",
)
"""options without effect on a model that is used as is"""


class Finetune(Training, frozen=True, kw_only=True, tag="finetune"):
    """Fine-tune a pretrained encoder on your labelled texts.

    A classifier that already has the data's labels is used as is. If its labels differ, choose whether to map them, to
    extend its head or to train a new head.
    """

    makes = "torch"
    trains = "labels"
    keeps_model = True
    next_step = "distill"
    artifact_name = "teacher"
    example = "--data intents.csv --out artifacts/teacher"

    model: Annotated[
        str | None,
        described(
            "Model to start from: a Hub id, a local folder, `minilm` or `mpnet`. An encoder or a fine-tuned classifier.",
            null="minilm, or the run's --model",
            takes="model",
        ),
    ] = None
    epochs: Annotated[
        Count,
        described(
            "Passes over the training texts. With 0 only the head is set, from the mean embedding of each class."
        ),
    ] = 3
    continue_training: Annotated[
        bool, described("Train on, even if the model already classifies the data's labels.")
    ] = False

    label_map: Annotated[
        dict[str, str] | str | None,
        described(
            "JSON file that maps labels of a classifier to labels of the data.",
            null="labels have the same names",
            takes="file",
        ),
    ] = None
    new_head: Annotated[bool, described("Train a new classification head, and discard the model's own.")] = False
    extend_labels: Annotated[
        bool, described("Keep the labels that a classifier knows, and add the data's other labels to its head.")
    ] = False

    reference: Annotated[
        bool,
        described("Only compare with this model: its row is a reference like `bert-base`, and is never recommended."),
    ] = False

    @property
    def contradiction(self) -> str | None:
        """Check for a new head together with an option for the old one."""
        beside = {"label_map": self.label_map is not None, "extend_labels": self.extend_labels}
        if self.new_head and (kept := [key for key, given in beside.items() if given]):
            return f"new_head replaces the head that {kept[0]} keeps; give one of the two"
        return None

    @property
    def files(self) -> tuple[str, ...]:
        """The label map, if it is a file."""
        return (self.label_map,) if isinstance(self.label_map, str) else ()

    def check_data(self, data: "Dataset") -> None:  # noqa: ARG002 - only its own file
        """Read the label map.

        Raises:
            ModelError: if it cannot be read, or isn't a label map.
        """
        if isinstance(self.label_map, str):
            read_label_map(Path(self.label_map))

    def start_model(self, default: str) -> str:
        """The encoder or classifier."""
        return self.model or default

    def head_plan(self, checkpoint: "Checkpoint", labels: tuple[str, ...]) -> HeadPlan:
        """What happens to the model's head.

        Raises:
            ModelError: if the model is of another kind, or has other labels than the data.
        """
        label_map = read_label_map(Path(self.label_map)) if isinstance(self.label_map, str) else self.label_map
        return plan_head(checkpoint, labels, label_map=label_map, extend=self.extend_labels, new=self.new_head)

    def adopts(self, checkpoint: "Checkpoint", labels: tuple[str, ...]) -> bool:
        """Whether the model already knows the data's labels, and training isn't to be continued."""
        plan = self.head_plan(checkpoint, labels)
        return not self.continue_training and plan.own == len(plan.labels)

    def check_used(self, checkpoint: "Checkpoint", labels: tuple[str, ...]) -> None:
        """Check that no option about training is set if the model is used as is.

        Raises:
            RecipeError: if one is.
        """
        usual = Finetune(name=self.name)
        stated = [key for key in ONLY_TRAINING if getattr(self, key) != getattr(usual, key)]
        if stated and self.adopts(checkpoint, labels):
            raise RecipeError(
                f"{stated[0]}: has no effect, because {checkpoint.reference} knows the data's labels and is used as is; "
                "omit it, or add --continue-training to train the model further"
            )
