"""Quantize to int8 for ONNX Runtime: choose the better ranges, and keep products that int8 would harm in float32."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from packlight.data.dataset import evenly_spaced
from packlight.progress import bar, info
from packlight.runtime.artifact import ONNX_INT8
from packlight.runtime.batches import MOST_TOKENS, by_length
from packlight.runtime.ort_session import open_on_cpu
from packlight.runtime.predictor import BATCH
from packlight.runtime.tokenization import Ids, TextEncoder, encoder_of
from packlight.runtime.windows import shape_of
from packlight.steps.agreement import check_agreement
from packlight.steps.context import StepContext, StepResult, copy_description
from packlight.steps.quantize_onnx.options import QuantizeOnnx
from packlight.steps.quantize_onnx.portability import check_portability
from packlight.steps.quantize_onnx.quantize import product_names, quantize_onnx
from packlight.steps.training.training_data import training_data

WATCHED_TEXTS = 64
"""number of val texts for the error of each product in int8, and for the portability check"""

Logits = npt.NDArray[np.floating]


@dataclass(frozen=True)
class _Attempt:
    """An int8 graph, and its logits on val."""

    options: QuantizeOnnx
    in_float: tuple[str, ...]
    logits: Logits
    file: Path


def apply(step: QuantizeOnnx, context: StepContext) -> StepResult:
    """Quantize the parent's graph to int8, and keep products that int8 would harm in float32."""
    parent = context.parent
    encoder = encoder_of(parent)
    texts = training_data(context.data, parent.labels).val_texts
    wanted = _logits(parent.model_path, encoder, texts, together=BATCH, shown=True).argmax(axis=1)
    together = BATCH if step.mode == "static" else 1

    def attempt(options: QuantizeOnnx, in_float: Collection[str] = ()) -> _Attempt:
        file = context.work_dir / f"{options.calibration}-{len(in_float)}.onnx"
        _quantize(options, context, encoder, file, in_float)
        return _Attempt(options, tuple(in_float), _logits(file, encoder, texts, together=together, shown=True), file)

    def agreement(made: _Attempt) -> float:
        return float((made.logits.argmax(axis=1) == wanted).mean())

    both = step.mode == "static" and step.calibration == "auto"
    methods = ("minmax", "percentile") if both else ("minmax",) if step.calibration == "auto" else (step.calibration,)
    attempts = [attempt(msgspec.structs.replace(step, calibration=method)) for method in methods]
    best = _more_often_right(attempts, context) if both else attempts[0]
    if agreement(best) < step.min_agreement:
        order = _sensitive_first(best.options, context, encoder)
        for count in range(1, len(order) + 1):
            best = attempt(best.options, order[:count])
            if agreement(best) >= step.min_agreement:
                break
        info(f"  {len(best.in_float)} of {len(order)} products stay in float32, so that the labels match the parent's")
    kept = check_agreement(wanted, best.logits.argmax(axis=1), least=step.min_agreement, name=step.name)
    target = context.output_dir / ONNX_INT8
    target.parent.mkdir(parents=True, exist_ok=True)
    copy_description(parent.path, context.output_dir)
    best.file.replace(target)
    portability = check_portability(target, encoder, evenly_spaced(texts, WATCHED_TEXTS))
    facts: dict[str, Any] = {
        "val_agreement": kept,
        "portability": msgspec.to_builtins(portability),
        "in_float": list(best.in_float),
        **({"calibration": best.options.calibration} if step.mode == "static" else {}),
    }
    if not portability.portable:
        info(
            f"  without VNNI {portability.saturated:,} of {portability.pairs:,} sums would saturate and "
            f"{portability.changed_labels} of {portability.texts} texts get another label; `reduce_range: true` avoids it"
        )
    return StepResult(
        "onnxruntime",
        "int8",
        ONNX_INT8,
        parent.manifest.max_length,
        batch_invariant=step.mode == "static",
        facts=facts,
        abstain_below=parent.manifest.abstain_below,
    )


def _more_often_right(attempts: Sequence[_Attempt], context: StepContext) -> _Attempt:
    """The attempt with the higher accuracy on val.

    Raises:
        ModelError: if the data has other labels than the model.
    """
    truth = np.array(training_data(context.data, context.parent.labels).val_labels)
    return max(attempts, key=lambda made: float((made.logits.argmax(axis=1) == truth).mean()))


def _quantize(
    options: QuantizeOnnx, context: StepContext, encoder: TextEncoder, file: Path, in_float: Collection[str]
) -> None:
    quantize_onnx(
        context.parent.model_path,
        file,
        options,
        encoder=encoder,
        calibration_texts=evenly_spaced(context.data.train.texts, options.calibration_texts),
        in_float=in_float,
    )


def _sensitive_first(options: QuantizeOnnx, context: StepContext, encoder: TextEncoder) -> list[str]:
    """The graph's matrix products, ordered by how far each one changes the logits if it alone is in int8."""
    texts = evenly_spaced(context.data.val.texts, WATCHED_TEXTS)
    wanted = _logits(context.parent.model_path, encoder, texts)
    names = product_names(context.parent.model_path)
    file = context.work_dir / "alone.onnx"
    errors = {}
    with bar("measuring the error of int8", total=len(names)) as progress:
        for name in names:
            _quantize(options, context, encoder, file, [other for other in names if other != name])
            errors[name] = float(np.square(_logits(file, encoder, texts) - wanted).mean())
            progress.advance()
    return sorted(names, key=lambda name: -errors[name])


def _logits(
    file: Path, encoder: TextEncoder, texts: Sequence[str], *, together: int = 1, shown: bool = False
) -> Logits:
    """Logits of texts, [texts, labels].

    Args:
        file: the graph.
        encoder: its tokenizer.
        texts: its inputs.
        together: maximum number of texts in a batch; 1 where a batch would change the logits.
        shown: show a bar.
    """
    session = open_on_cpu(file)

    def run(feed: Mapping[str, Ids]) -> Logits:
        logits: Logits = session.run(["logits"], feed)[0]
        return logits

    rows = encoder.ids(texts)
    parts, places = [], []
    with bar("predicting val", total=len(texts)) if shown else nullcontext() as progress:
        for batch in by_length([prod(shape_of(row)) for row in rows], budget=MOST_TOKENS, most=together):
            parts.append(encoder.logits([rows[place] for place in batch], run))
            places += batch
            if progress is not None:
                progress.advance(len(batch))
    return np.concatenate(parts)[np.argsort(places)]
