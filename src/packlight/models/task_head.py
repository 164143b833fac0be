"""A checkpoint's task: one label per text, something else, or nothing because there is no head."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packlight.errors import ModelError
from packlight.models.weight_files import Shapes

CLASSIFIER = "ForSequenceClassification"
ENCODERS = ("Model", "ForMaskedLM", "ForPreTraining", "LMHeadModel", "WithLMHead", "ForCausalLM")
"""suffixes of architecture names whose head, if any, is only for pretraining"""
TASKS = {
    "ForTokenClassification": "labels the words of a text (token classification)",
    "ForQuestionAnswering": "finds answers in a text (question answering)",
    "ForMultipleChoice": "chooses between texts (multiple choice)",
    "ForNextSentencePrediction": "tells whether one sentence follows another",
    "ForConditionalGeneration": "writes texts (encoder and decoder)",
    "ForSeq2SeqLM": "writes texts (encoder and decoder)",
}
PROBLEMS = {
    "multi_label_classification": "gives a text several labels (problem_type multi_label_classification)",
    "regression": "gives a text a score (problem_type regression)",
}
FINAL = (
    *("classifier.weight", "classifier.out_proj.weight", "classification_head.out_proj.weight"),
    *("score.weight", "logits_proj.weight"),
)
"""weights of a classifier's last layer in any architecture, [labels, hidden]"""
BEFORE_FINAL = (
    *("pooler.dense.weight", "pre_classifier.weight", "classifier.dense.weight", "classification_head.dense.weight"),
    *("sequence_summary.summary.weight", "head.dense.weight", "pooler.weight"),
)
"""weights below them that only a classifier of texts has"""
SPAN = "qa_outputs.weight"
TAG_PREFIXES = ("B-", "I-")
TAKEN = "packlight takes encoders and classifiers that give each text one label"


@dataclass(frozen=True)
class TaskHead:
    """A checkpoint's head."""

    labels: tuple[str, ...] | None = None
    """labels of a single-label classifier, in the order of its logits"""
    other_task: str | None = None
    """its task if it is another one: `labels the words of a text`; None for a classifier and for no head"""


def read_head(config: Mapping[str, Any], shapes: Shapes, where: str) -> TaskHead:
    """Determine the head from the configuration, or else from the names of the weights.

    Args:
        config: the content of config.json.
        shapes: shapes of the weights, without wrappers' prefixes.
        where: the model's name in messages.

    Raises:
        ModelError: if the labels do not count from 0, or if their number differs from that of the logits.
    """
    stated = config.get("architectures") or ()
    name = str(stated[0]) if isinstance(stated, list) and stated else None
    if name is None:
        return _by_weights(config, shapes, where)
    if name.endswith(CLASSIFIER):
        return _classifier(config, shapes, where)
    for end, task in TASKS.items():
        if name.endswith(end):
            return TaskHead(other_task=f"{task[:-1]}; {name})" if task.endswith(")") else f"{task} ({name})")
    if name.endswith(ENCODERS):
        return TaskHead()
    return TaskHead(other_task=f"is a {name}")


def head_names(shapes: Shapes) -> tuple[str, ...]:
    """The names of a classification head's weights; none if there is no head."""
    tops = {name.partition(".")[0] for name in FINAL if name in shapes}
    return tuple(name for name in shapes if name.partition(".")[0] in tops)


def refusal(reference: str, task: str) -> str:
    """Why a model with this task is rejected, and what to do."""
    return (
        f"{reference}: {task}; {TAKEN}. To train a new classification head on its encoder, pass --new-head; several labels, "
        "scores and pairs of texts are not supported"
    )


def _by_weights(config: Mapping[str, Any], shapes: Shapes, where: str) -> TaskHead:
    """The head of a configuration without an architecture."""
    if any(name.endswith(SPAN) for name in shapes):
        return TaskHead(other_task=TASKS["ForQuestionAnswering"])
    if not any(name in shapes for name in FINAL):
        return TaskHead()
    tags = any(str(label).startswith(TAG_PREFIXES) for label in (config.get("id2label") or {}).values())
    if tags or not any(name.endswith(BEFORE_FINAL) for name in shapes):
        return TaskHead(other_task=TASKS["ForTokenClassification"])
    return _classifier(config, shapes, where)


def _classifier(config: Mapping[str, Any], shapes: Shapes, where: str) -> TaskHead:
    labels = _labels(config, shapes, where)
    problem = config.get("problem_type")
    if problem in PROBLEMS:
        return TaskHead(other_task=PROBLEMS[problem])
    if len(labels) == 1:  # transformers trains a single logit by squared error
        return TaskHead(other_task="gives a text a score (one logit)")
    return TaskHead(labels)


def _labels(config: Mapping[str, Any], shapes: Shapes, where: str) -> tuple[str, ...]:
    """The labels in the order of the logits. transformers omits its default of two labels from the file."""
    logits = next((shapes[name][0] for name in FINAL if shapes.get(name)), None)
    id2label = config.get("id2label")
    if not id2label:
        id2label = {str(index): f"LABEL_{index}" for index in range(config.get("num_labels") or logits or 2)}
    try:
        labels = tuple(str(id2label[str(index)]) for index in range(len(id2label)))
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"{where}: id2label of config.json does not count from 0 to {len(id2label) - 1}; number its labels in the order of the logits"
        ) from error
    if logits is not None and logits != len(labels):
        raise ModelError(
            f"{where}: config.json names {len(labels)} labels, but the weights give {logits} logits; fix id2label and "
            "label2id in config.json"
        )
    return labels
