"""Making the static student: what answers in microseconds."""

import msgspec

from packlight.artifact import STATIC
from packlight.classifier.stock import open_classifier
from packlight.engines.static import CONFIG_KEY
from packlight.ngrams import NGrams
from packlight.pipeline.making.bench import Bench, Made, make
from packlight.pipeline.making.teaching import lesson_of, taught_by
from packlight.pipeline.parts import write_own_config
from packlight.recipe import DistillStatic
from packlight.steps.static import distill_static, save_static


@make.register
def _(step: DistillStatic, bench: Bench) -> Made:
    parent = bench.origin
    teacher = open_classifier(parent.path)
    lesson, teaching = taught_by(step, bench, teacher, lesson_of(step, bench, parent.labels))
    ngrams = NGrams(
        buckets=step.buckets,
        words=step.words,
        characters=tuple(sorted(set(step.characters))),
        max_words=step.max_length,
    )
    student, history = distill_static(
        lesson,
        teaching.logits,
        ngrams,
        step,
        seed=bench.seed,
        on_epoch=lambda epoch: bench.on_epoch(epoch.epoch, epoch.accuracy),
    )
    save_static(student, bench.draft / STATIC)
    write_own_config(bench.draft, "PacklightStatic", parent.labels, {CONFIG_KEY: msgspec.to_builtins(ngrams)})
    best = max(history, key=lambda epoch: (epoch.accuracy, epoch.epoch))
    facts = {
        "best_epoch": best.epoch,
        "val_accuracy": best.accuracy,
        "epochs": [{"epoch": each.epoch, "val_accuracy": each.accuracy} for each in history],
        "texts": len(lesson.train_texts),
    }
    return Made("static", "int8", STATIC, step.max_length, batch_invariant=True, facts=facts)
