"""Build a cascade: two artifacts in one folder, and a threshold chosen on `val`."""

import msgspec
import numpy as np

from packlight.errors import RecipeError
from packlight.progress import info
from packlight.runtime.artifact import write_manifest
from packlight.runtime.engines.cascade import CONFIG_KEY, FIRST, SECOND, confidence
from packlight.steps.artifact_inference import predict_logits
from packlight.steps.cascade.options import Cascade
from packlight.steps.cascade.threshold import choose_threshold, min_certifiable_drop
from packlight.steps.context import StepContext, StepResult, write_own_config
from packlight.steps.out_of_scope import check_one_label, oos_rate_weights
from packlight.steps.training.training_data import training_data


def apply(step: Cascade, context: StepContext) -> StepResult:
    """Combine a fast first model with the parent, under a threshold chosen on `val`."""
    first, second, data = context.other_parents[step.first], context.parent, context.data
    if set(first.labels) != set(second.labels):
        raise RecipeError(f"{step.name}: {first.name} and {second.name} have different labels")
    for each in (first, second):
        check_one_label(each, where=step.name)
    train_data = training_data(data, second.labels)
    truth = np.array(train_data.val_labels)
    weights = oos_rate_weights(data, step.oos_rate, where=step.name)
    order = [first.labels.index(label) for label in second.labels]
    quick = predict_logits(first, train_data.val_texts)[:, order]
    slow = predict_logits(second, train_data.val_texts)
    choice = choose_threshold(
        confidence(quick),
        quick.argmax(axis=1) == truth,
        slow.argmax(axis=1) == truth,
        loss=step.max_accuracy_drop,
        confidence=step.confidence,
        weights=weights,
    )
    if not choice.kept:
        info(f"  {_nothing_kept(step, first.name, min_certifiable_drop(weights, confidence=step.confidence))}")
    for artifact, name in ((first, FIRST), (second, SECOND)):
        # The card and the figures are left out: they are rewritten often, and would change the cascade's bytes.
        artifact.copy_files(context.output_dir / name)
        write_manifest(
            context.output_dir / name, msgspec.structs.replace(artifact.manifest, measurement=None, threads=None)
        )
    write_own_config(
        context.output_dir, "PacklightCascade", second.labels, {CONFIG_KEY: {"threshold": choice.threshold}}
    )
    info(
        f"  {first.name} answers {choice.kept:.0%} of val; {choice.spoilt:.1%} of the predictions become wrong: "
        f"at most {choice.spoilt_limit:.1%} with {step.confidence:.0%} confidence"
    )
    return StepResult(
        "cascade",
        second.manifest.precision,
        f"{SECOND}/{second.manifest.model_file}",
        second.manifest.max_length,
        batch_invariant=first.manifest.batch_invariant and second.manifest.batch_invariant,
        facts={"first": first.name, "switch": msgspec.to_builtins(choice), "oos_rate": step.oos_rate},
        abstain_below=second.manifest.abstain_below,
    )


def _nothing_kept(step: Cascade, first: str, least: float) -> str:
    """Why the first model is never confident enough, and what to do."""
    if least > step.max_accuracy_drop:
        reason = f"val has too few texts to guarantee less than {least:.2g}"
        remedy = "add texts to val, or raise max_accuracy_drop, or lower confidence"
    else:
        reason = f"{first} loses more than that even on the texts that it is most confident about"
        remedy = "raise max_accuracy_drop, or use a better first model"
    return (
        f"{first} answers nothing: no threshold keeps the loss within {step.max_accuracy_drop:g} with {step.confidence:.0%} "
        f"confidence; {reason}; {remedy}"
    )
