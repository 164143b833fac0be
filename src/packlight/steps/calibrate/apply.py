"""Calibrate a variant: choose the out-of-scope threshold and the temperature on `val`, and fold them into the last layer."""

import shutil

import msgspec
import numpy as np
import onnx

from packlight.data.dataset import evenly_spaced
from packlight.models.hf_model import open_classifier, save_classifier
from packlight.progress import info
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import form_of
from packlight.runtime.engines.static import scale_head
from packlight.runtime.tokenization import encoder_of
from packlight.steps.abstention import OUTSIDE, choose_abstention, describe
from packlight.steps.artifact_inference import predict_logits
from packlight.steps.calibrate.fold import fold_into_graph, fold_into_model
from packlight.steps.calibrate.options import Calibrate
from packlight.steps.calibrate.rule import Rule, calibration_error, choose_rule
from packlight.steps.calibrate.scores import Floats, class_distance, compare_scores, score_name
from packlight.steps.context import StepContext, StepResult, copy_description
from packlight.steps.inference import features_of
from packlight.steps.out_of_scope import check_one_label, check_oos_examples, oos_rate_weights
from packlight.steps.training.training_data import TrainingData, label_ids, training_data

FEATURE_TEXTS = 4096
"""training texts that class means and the covariance are computed from"""


def apply(step: Calibrate, context: StepContext) -> StepResult:
    """Choose a threshold and a temperature on `val` and fold them into the last layer."""
    parent, data = context.parent, context.data
    manifest = parent.manifest
    check_one_label(parent, where=step.name)
    check_oos_examples(data, where=step.name)
    train_data = training_data(data, parent.labels)
    truth = np.array(train_data.val_labels)
    oos = parent.labels.index(train_data.oos_label) if train_data.oos_label is not None else None
    weights = None if step.oos_rate is None else oos_rate_weights(data, step.oos_rate, where=step.name)
    answered = predict_logits(parent, data.val.texts)
    inside = [place for place, label in enumerate(data.val.labels) if label in data.label_set]
    logits = answered[inside]
    rule = choose_rule(logits, truth, oos, weights=weights)
    _build(parent, rule, context)
    after = rule.apply(logits)
    facts: dict[str, object] = {
        "rule": msgspec.to_builtins(rule),
        "oos_rate": step.oos_rate,
        "val_accuracy_before": float((logits.argmax(1) == truth).mean()),
        "val_accuracy": float((after.argmax(1) == truth).mean()),
        "val_calibration_error_before": calibration_error(logits, truth),
        "val_calibration_error": calibration_error(after, truth),
    }
    threshold = None
    if oos is None:
        everything = np.array(label_ids(data, data.val, parent.labels, missing=OUTSIDE))
        abstention = choose_abstention(rule.apply(answered), everything, loss=step.abstain, oos_rate=step.oos_rate)
        threshold = abstention.threshold
        facts["abstention"] = msgspec.to_builtins(abstention)
        info(f"  {describe(abstention, len(context.data.val))}")
    else:
        recall, in_scope = _recall_and_inside(after, truth, oos)
        facts |= {"val_oos_recall": recall, "val_in_scope_accuracy": in_scope}
        extra = {"distance": _nearness(context, train_data, oos)} if form_of(manifest) == "torch" else {}
        separations = compare_scores(logits, truth, oos, extra=extra)
        facts["scores"] = msgspec.to_builtins(separations)
        chosen = separations[score_name(rule.slope)]
        info(
            f"  on val {in_scope:.1%} in scope, out-of-scope recall {recall:.0%}; AUROC {chosen.auroc:.3f}, FPR95 "
            f"{chosen.fpr_at_95_recall:.1%}"
        )
    return StepResult(
        manifest.engine,
        manifest.precision,
        manifest.model_file,
        manifest.max_length,
        batch_invariant=manifest.batch_invariant,
        facts=facts,
        abstain_below=threshold,
    )


def _build(parent: Artifact, rule: Rule, context: StepContext) -> None:
    """Write the parent's model with the rule folded in to the output folder."""
    manifest = parent.manifest
    form = form_of(manifest)
    if form == "torch":
        model = open_classifier(parent.path)
        fold_into_model(model, rule)
        save_classifier(model, context.output_dir, tokenizer_from=parent.path, max_length=manifest.max_length)
        return
    copy_description(parent.path, context.output_dir)
    target = context.output_dir / manifest.model_file
    target.parent.mkdir(parents=True, exist_ok=True)
    if form == "static":
        shutil.copyfile(parent.model_path, target)
        scale_head(target, *rule.factors(len(parent.labels)))
        return
    graph = onnx.load_model(parent.model_path)
    fold_into_graph(graph, rule, len(parent.labels))
    onnx.checker.check_model(graph)
    onnx.save_model(graph, target)


def _recall_and_inside(logits: Floats, truth: np.ndarray, oos: int) -> tuple[float, float]:
    right, outside = logits.argmax(1) == truth, truth == oos
    return float(right[outside].mean()), float(right[~outside].mean())


def _nearness(context: StepContext, train_data: TrainingData, oos: int) -> Floats:
    parent, data = context.parent, context.data
    model = open_classifier(parent.path)
    encoder = encoder_of(parent)
    rows = evenly_spaced(range(len(data.train)), FEATURE_TEXTS)
    train = features_of(model, encoder, [data.train.texts[row] for row in rows]).numpy().astype(float)
    val = features_of(model, encoder, data.val.texts).numpy().astype(float)
    return class_distance(val, train, [train_data.train_labels[row] for row in rows], oos)
