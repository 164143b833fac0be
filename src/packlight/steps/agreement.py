"""Compare a quantized model's labels with its parent's, on validation texts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from packlight.data.dataset import evenly_spaced
from packlight.errors import ParityError
from packlight.progress import bar
from packlight.runtime.artifact import Artifact, finalize
from packlight.runtime.engine import Engine
from packlight.runtime.engines import open_engine
from packlight.steps.context import StepContext, StepResult
from packlight.steps.manifest import manifest_of
from packlight.steps.step import Step

AGREEMENT_TEXTS = 512


def check_agreement(
    parent_labels: Sequence[int] | npt.NDArray[np.integer],
    labels: Sequence[int] | npt.NDArray[np.integer],
    *,
    least: float,
    name: str,
) -> float:
    """The share of texts for which a quantized model predicts its parent's label.

    Raises:
        ParityError: if it is below `least`.
    """
    agreement = float(np.mean(np.asarray(parent_labels) == np.asarray(labels)))
    if agreement < least:
        raise ParityError(
            f"{name}: only {agreement:.1%} of {len(labels)} validation texts keep the parent's label, fewer than "
            f"`min_agreement` {least:.1%}; try `per_channel: true`, `calibration: auto` or `reduce_range: true`, or lower "
            "`min_agreement` if that is acceptable",
        )
    return agreement


def with_agreement(step: Step, context: StepContext, result: StepResult, *, least: float) -> StepResult:
    """The result of a step that filled its folder, with the share of val's texts that keep the parent's label.

    Raises:
        ParityError: if it is below `least`.
    """
    parent, data = context.parent, context.data
    unfinished = manifest_of(
        step, result, fingerprint="", data_sha256=data.sha256, oos_label=data.oos_label, parent=parent
    )
    child = Artifact.just_finalized(context.output_dir, finalize(context.output_dir, unfinished))
    texts = evenly_spaced(data.val.texts, AGREEMENT_TEXTS)
    with bar(f"{step.name}: comparing predictions with the parent's", total=2 * len(texts)) as progress:

        def labels(engine: Engine[Any]) -> list[int]:
            found = []
            for text in texts:  # one at a time: dynamic ranges depend on the batch
                found.append(int(engine.predict([text]).argmax()))
                progress.advance()
            return found

        before, after = labels(open_engine(parent)), labels(open_engine(child))
    agreement = check_agreement(before, after, least=least, name=step.name)
    return replace(result, facts=result.facts | {"val_agreement": agreement})
