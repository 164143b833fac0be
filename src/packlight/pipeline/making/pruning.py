"""Making a pruned variant, to be healed by `distill` with `start`."""

from packlight.artifact import SAFETENSORS
from packlight.classifier.stock import labels_of, open_classifier, save_classifier
from packlight.pipeline.making.bench import Bench, Made, make
from packlight.pipeline.parts import lesson_for, spread
from packlight.recipe import Prune
from packlight.steps.prune import prune
from packlight.tokenization import TextEncoder


@make.register
def _(step: Prune, bench: Bench) -> Made:
    parent = bench.origin
    model = open_classifier(parent.path)
    lesson = lesson_for(bench.data, labels_of(model))
    rows = spread(range(len(lesson.train_texts)), step.texts)
    length = parent.manifest.max_length
    smaller = prune(
        model,
        TextEncoder(parent.tokenizer_path, length),
        [lesson.train_texts[row] for row in rows],
        [lesson.train_labels[row] for row in rows],
        step,
    )
    save_classifier(smaller, bench.draft, tokenizer_from=parent.path, max_length=length)
    counts = {"parameters_before": model.num_parameters(), "parameters": smaller.num_parameters()}
    return Made("torch", "fp32", SAFETENSORS, length, batch_invariant=True, facts=counts)
