"""The maximum length of each model that a run trains or uses, determined before any work."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from packlight.data import SPLITS, Dataset
from packlight.data.dataset import evenly_spaced
from packlight.models import Checkpoint
from packlight.models.tokenizer import tokenizer_file
from packlight.models.vocabulary import read_tokenizer
from packlight.pipeline.preflight import Inspection
from packlight.recipes.recipe import Recipe
from packlight.steps.step import LengthOptions, Step
from packlight.steps.training.lengths import choose_length, listed

SAMPLED = 20_000
"""number of texts in each split that are tokenized to estimate how many are longer"""

Lengths = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PlannedLength:
    """The maximum length of a step's model."""

    max_length: int
    """in tokens, special tokens included"""
    limit: int
    """of the model"""
    long_texts: str
    """how longer texts are handled"""
    longer: Mapping[str, float] = field(default_factory=dict)
    """share of each split that is longer; empty if it is only known once the parent is built"""
    sampled: bool = False
    """whether the shares, and a length chosen from them, come from a sample"""

    def __str__(self) -> str:
        """A description for the first lines of a run."""
        of = f" of the {self.limit} that the model takes" if self.limit > self.max_length else ""
        words = f"longest text: {'about ' * self.sampled}{self.max_length} tokens{of}"
        if not self.longer:
            return words
        cut = "read in windows" if self.long_texts == "windows" else f"truncated ({self.long_texts})"
        return f"{words}; {cut}: {listed(self.longer)}"


def plan_lengths(
    recipe: Recipe,
    checkpoints: Mapping[str, Checkpoint],
    data: Dataset,
    inspection: Inspection,
    skipped: Collection[str],
) -> dict[str, PlannedLength]:
    """The maximum length of each step that trains an encoder or uses a classifier as it is.

    Args:
        recipe: the recipe to carry out.
        checkpoints: the models that steps start from, by the step's name.
        data: labelled texts. Those of `test` don't influence the choice.
        inspection: from `inspect_models`.
        skipped: steps that are skipped.

    Raises:
        RecipeError: if a stated length is above the model's limit.
    """
    counted: dict[Path, dict[str, Lengths]] = {}
    planned: dict[str, PlannedLength] = {}
    known: dict[str, PlannedLength] = {}
    """the lengths of all steps, including those that inherit their parent's"""
    for step in recipe.steps:
        if step.name in skipped or step.name in inspection.impossible:
            continue
        parent = recipe.parent_of(step)
        start = getattr(step, "start", None) or (parent.name if parent else None)
        before = known.get(start) if start else None
        if (stated := step.length_options) is not None:
            before = _planned(step, stated, checkpoints.get(step.name), before, data, inspection, counted)
            if before is not None:
                planned[step.name] = before
        if before is not None:
            known[step.name] = before
    return planned


def _planned(
    step: Step,
    stated: LengthOptions,
    checkpoint: Checkpoint | None,
    parent: PlannedLength | None,
    data: Dataset,
    inspection: Inspection,
    counted: dict[Path, dict[str, Lengths]],
) -> PlannedLength | None:
    """The lengths of one step; None if they are not known."""
    if checkpoint is None:
        if parent is None:
            return None
        length = choose_length((parent.max_length,), limit=parent.max_length, stated=stated.max_length, name=step.name)
        kept = stated.long_texts if stated.long_texts != "head" else parent.long_texts
        shorter = length < parent.max_length
        return PlannedLength(length, parent.limit, kept, {} if shorter else parent.longer, parent.sampled)
    limit = inspection.structures[step.name].longest_text
    assert limit is not None  # known of every checkpoint
    if stated.max_length is not None:
        choose_length((limit,), limit=limit, stated=stated.max_length, name=step.name)
    file = tokenizer_file(checkpoint)
    if file not in counted:
        counted[file] = {name: _lengths(file, data.split(name).texts) for name in SPLITS if len(data.split(name))}
    lengths = counted[file]
    if stated.max_length is None and step.adopts(checkpoint, data.labels):
        length = limit
    else:
        within = np.minimum(lengths["train"], limit).tolist()
        length = choose_length(within, limit=limit, stated=stated.max_length, name=step.name)
    longer = {name: float((each > length).mean()) for name, each in lengths.items()}
    sampled = any(len(each) < len(data.split(name)) for name, each in lengths.items())
    return PlannedLength(length, limit, stated.long_texts, longer, sampled)


def _lengths(file: Path, texts: Sequence[str]) -> Lengths:
    """The number of tokens of each text, special tokens included, without truncation."""
    tokenizer = read_tokenizer(file)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return np.array([len(each.ids) for each in tokenizer.encode_batch_fast(list(evenly_spaced(texts, SAMPLED)))])
