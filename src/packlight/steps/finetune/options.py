"""Options of `finetune`."""

from typing import TYPE_CHECKING, Annotated

from packlight.models.labels import knows
from packlight.steps.step import Count, described
from packlight.steps.training.options import Training

if TYPE_CHECKING:
    from packlight.models import Checkpoint


class Finetune(Training, frozen=True, kw_only=True, tag="finetune"):
    """Fine-tune a pretrained encoder on your labelled texts.

    A classifier that already knows the data's labels is taken as it is.
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
            "Model to start from: a Hub id, a local folder, or `minilm`. An encoder or a fine-tuned classifier.",
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

    def start_model(self, default: str) -> str:
        """The encoder or classifier."""
        return self.model or default

    def adopts(self, checkpoint: "Checkpoint", labels: tuple[str, ...]) -> bool:
        """Whether the model already knows the data's labels, and is not to be trained on."""
        return not self.continue_training and knows(checkpoint, labels)
