"""The first lines of a run: how each starting model is used, what is trained, and what is skipped."""

from collections.abc import Collection, Iterator, Mapping

from packlight.data import Dataset
from packlight.data.dataset import evenly_spaced
from packlight.models import Checkpoint
from packlight.models.labels import label_mapping, some_labels
from packlight.models.structure import Structure
from packlight.models.tokenizer import tokenizer_file
from packlight.models.vocabulary import coverage
from packlight.pipeline.lengths import PlannedLength
from packlight.pipeline.preflight import Inspection
from packlight.progress import info, warn
from packlight.recipes.recipe import Recipe
from packlight.steps.step import Step

SAMPLED = 2000
"""number of training texts to test the vocabulary on"""


def announce(
    recipe: Recipe,
    checkpoints: Mapping[str, Checkpoint],
    data: Dataset,
    inspection: Inspection,
    lengths: Mapping[str, PlannedLength],
    skipped: Collection[str],
) -> None:
    """Show how a run understood its models and its recipe, before it starts to work.

    Args:
        recipe: the recipe to carry out.
        checkpoints: the models that steps start from, by the step's name.
        data: labelled texts.
        inspection: from `inspect_models`.
        lengths: from `plan_lengths`.
        skipped: optional steps that are skipped.
    """
    steps = [step for step in recipe.steps if step.name not in skipped and step.name not in inspection.impossible]
    for step in steps:
        if (checkpoint := checkpoints.get(step.name)) is not None:
            for line in model_lines(step, checkpoint, data, inspection.structures.get(step.name)):
                info(line)
        if step.name in lengths:
            info(f"{'  ' if checkpoint is not None else f'{step.name}: '}{lengths[step.name]}")
    for checkpoint in {each.sha256: each for each in checkpoints.values()}.values():
        _check_language(checkpoint, data)
    taken = [step.name for step in steps if _adopts(step, checkpoints, data)]
    trained = [step.name for step in steps if step.trains and step.name not in taken]
    rest = [step.name for step in steps if step.name not in taken and step.name not in trained]
    for words, names in (("used as is", taken), ("trained", trained), ("built without training", rest)):
        if names:
            info(f"{words}: {', '.join(names)}")
    for name, reason in inspection.impossible.items():
        info(f"{name}: skipped: {reason}")


def announce_model(step: Step, checkpoint: Checkpoint, data: Dataset) -> None:
    """Show how a single step understood the model that it starts from.

    Raises:
        ModelError: if the model is of another kind, or its labels are not the data's.
    """
    for line in model_lines(step, checkpoint, data, None):
        info(line)
    _check_language(checkpoint, data)


def model_lines(step: Step, checkpoint: Checkpoint, data: Dataset, structure: Structure | None) -> Iterator[str]:
    """How a step uses a model's head, and how the model's labels and weights were read."""
    plan = step.head_plan(checkpoint, data.labels)
    depth = f", {structure.layers} layers" if structure is not None and structure.layers else ""
    what = f"{step.name}: starts from {checkpoint.reference} ({checkpoint.model_type}{depth})"
    if not plan.own:
        head = (
            "an encoder"
            if checkpoint.labels is None and checkpoint.other_task is None
            else "whose own head is discarded"
        )
        yield f"{what}, {head}; a new head for {len(plan.labels):,} labels is trained"
    elif plan.added:
        yield (
            f"{what}, a classifier that knows {plan.own:,} labels; labels to add to its head and train: {some_labels(plan.added, 5)}"
        )
    else:
        end = "used as is" if step.adopts(checkpoint, data.labels) else "trained further"
        yield f"{what}, a classifier of the data's labels, {end}"
        if matched := _matched(checkpoint, plan.labels, data):
            yield f"  {matched}"
    if prefix := checkpoint.naming.wrapper + checkpoint.inside:
        yield f"  removed the prefix `{prefix}` from the names of its weights"
    if training := checkpoint.naming.training:
        yield f"  left out, because only training uses them: {some_labels(training, 3)}"
    if checkpoint.foreign and not plan.own:
        yield f"  left out, because transformers has no such weights: {some_labels(checkpoint.foreign, 3)}"


def _matched(checkpoint: Checkpoint, labels: tuple[str, ...], data: Dataset) -> str:
    """How the labels of model and data were matched, if their names differ."""
    mapping = label_mapping(labels, data.labels)
    own = checkpoint.labels or ()
    pairs = [
        f"{label} is {own[column]}"
        for label, column in zip(data.labels, mapping.columns, strict=True)
        if own[column] != label
    ]
    count = len(mapping.extra_labels)
    extra = f"{count} label{'s' * (count != 1)} that the data lacks: {some_labels(mapping.extra_labels, 3)}"
    parts = [f"labels: {some_labels(pairs, 3)}"] if pairs else []
    return "; ".join([*parts, *([f"it has {extra}"] if mapping.extra_labels else [])])


def _adopts(step: Step, checkpoints: Mapping[str, Checkpoint], data: Dataset) -> bool:
    checkpoint = checkpoints.get(step.name)
    return checkpoint is not None and step.adopts(checkpoint, data.labels)


def _check_language(checkpoint: Checkpoint, data: Dataset) -> None:
    """Warn if the model's vocabulary hardly covers the texts."""
    found = coverage(tokenizer_file(checkpoint), evenly_spaced(data.train.texts, SAMPLED))
    if found.warning:
        warn(f"warning: {checkpoint.reference}: {found.warning}")
    elif found.note:
        info(f"  {checkpoint.reference}: {found.note}")
