"""Check before any work that an artifact knows the labels of the data it is measured on or built from."""

from pathlib import Path

from packlight.data import Dataset
from packlight.data.load import SAMPLE
from packlight.errors import ModelError
from packlight.models import Checkpoint, label_mapping
from packlight.models.adoption import HeadPlan
from packlight.models.labels import LabelMismatchError
from packlight.runtime.artifact import MANIFEST, read_labels
from packlight.steps.step import Step

FORGOTTEN = "  The data is the bundled sample. If you have texts with the model's labels, give them with --data."


def check_labels(place: Path, data: Dataset) -> None:
    """Check that an artifact has all labels of the data.

    Args:
        place: the artifact's folder. Any other model is left to `open_parent`, which reads more of it.
        data: labelled texts.

    Raises:
        ArtifactError: if its labels can't be read.
        ModelError: if it lacks one. The message says what to do.
    """
    if not (place / MANIFEST).is_file():
        return
    try:
        label_mapping(read_labels(place / "config.json"), data.labels)
    except ModelError as error:
        raise ModelError(f"{place}: {error}\n{_remedy(data)}") from error


def planned_head(step: Step, checkpoint: Checkpoint, data: Dataset) -> HeadPlan:
    """What becomes of the head of the model that a step starts from.

    Raises:
        ModelError: what `plan_head` raises. If labels don't match those of the bundled sample, the message says so,
            because `--data` was probably forgotten.
    """
    try:
        return step.head_plan(checkpoint, data.labels)
    except ModelError as error:
        if data.source == SAMPLE and isinstance(error.__cause__, LabelMismatchError):
            raise ModelError(f"{error}\n{FORGOTTEN}") from error
        raise


def _remedy(data: Dataset) -> str:
    if data.source == SAMPLE:
        return FORGOTTEN
    return (
        f"  Give the texts that it was built from with --data, or rename the labels in {data.source} to the model's. To keep the "
        "data's labels, build the model for them: `packlight run` and `packlight finetune` take --label-map, --extend-labels "
        "and --new-head."
    )
