"""Distilling a classifier into hashed n-gram embeddings, vectors of known words and a small head.

The student is a bag of n-grams (Joulin et al. 2017, Bag of Tricks for Efficient Text Classification) and of words with one hidden
layer, trained on a transformer's logits for the training texts and for unlabelled texts generated from them (compare Tang et al.
2019, Distilling Task-Specific Knowledge from BERT into Simple Neural Networks). It is stored in int8, its word vectors in
int4, its embedding too on request, with one scale for each column. Outside training, and on `val` too, the rounded matrices are
used.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import torch
from torch import Tensor

from packlight.data import Dataset
from packlight.models.hf_model import open_classifier
from packlight.progress import bar
from packlight.runtime.artifact import STATIC
from packlight.runtime.bag import Bag, BagReader
from packlight.runtime.engines.static import CONFIG_KEY
from packlight.runtime.ngrams import NGrams
from packlight.steps.context import StepContext, StepResult, write_own_config
from packlight.steps.distill_static.known_words import choose_words
from packlight.steps.distill_static.options import DistillStatic
from packlight.steps.distill_static.student import StaticStudent, answers, batch_of, save_static
from packlight.steps.distill_static.word_vectors import WordTable, word_table
from packlight.steps.training.devices import device_here
from packlight.steps.training.lengths import choose_length, length_facts
from packlight.steps.training.objectives import distillation_loss
from packlight.steps.training.teacher_targets import TeacherOutputs, student_training_data, teacher_outputs
from packlight.steps.training.training_data import NO_LABEL, TrainingData

WORD_DROPOUT = 0.1
"""share of a text's known words to leave out during training"""
MOST_WORDS = 8192
"""upper bound of `max_length`"""

WEIGHT_DECAY = 1e-4


@dataclass(frozen=True)
class StaticEpoch:
    """The results on `val` after one epoch."""

    epoch: int
    accuracy: float


def distill_static(
    train_data: TrainingData,
    teacher_logits: Tensor,
    ngrams: NGrams,
    words: WordTable,
    options: DistillStatic,
    *,
    seed: int,
    on_epoch: Callable[[StaticEpoch], None] = lambda _: None,
) -> tuple[StaticStudent, list[StaticEpoch]]:
    """Train a static student.

    Args:
        train_data: texts and labels; label -100 for texts without one.
        teacher_logits: the teacher's logits of the training texts, [texts, labels].
        ngrams: the n-grams to look up.
        words: the words to know, with their vectors.
        options: the step's options.
        seed: of the initial weights, the order and the dropout.
        on_epoch: called after each epoch with its results on `val`.

    Returns:
        The student with the weights of its best epoch on `val`, and the results after each epoch.
    """
    torch.manual_seed(seed)
    chooser = np.random.default_rng(seed)
    student = StaticStudent(options, words, len(train_data.labels))
    reader = BagReader(ngrams, words.hashes)
    train, val = reader.read(train_data.train_texts), reader.read(train_data.val_texts)
    labels, truth = torch.tensor(train_data.train_labels), np.asarray(train_data.val_labels)
    updates = -(-len(train) // options.batch_size)
    optimizer = torch.optim.AdamW(student.parameters(), lr=options.learning_rate, weight_decay=WEIGHT_DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=updates * options.epochs)
    history: list[StaticEpoch] = []
    best = {name: value.clone() for name, value in student.state_dict().items()}
    with bar("distilling n-grams", total=updates * options.epochs) as progress:
        for number in range(1, options.epochs + 1):
            student.train()
            order = chooser.permutation(len(train))
            for start in range(0, len(train), options.batch_size):
                chosen = order[start : start + options.batch_size]
                logits = student(*batch_of([_thinned(train[index], options.dropout, chooser) for index in chosen]))
                places = torch.from_numpy(chosen)
                loss = distillation_loss(
                    logits,
                    teacher_logits[places],
                    labels[places],
                    alpha=options.alpha,
                    temperature=options.temperature,
                    logit_weight=options.logit_weight,
                )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                progress.advance()
            accuracy = float((answers(student, val).argmax(1) == truth).mean())
            if not history or accuracy >= max(epoch.accuracy for epoch in history):
                best = {name: value.clone() for name, value in student.state_dict().items()}
            history.append(StaticEpoch(number, accuracy))
            on_epoch(history[-1])
    student.load_state_dict(best)
    student.eval()
    return student, history


def _thinned(bag: Bag, dropout: float, chooser: np.random.Generator) -> Bag:
    """A bag with some n-grams and words left out at random, but never all n-grams."""
    ngrams = bag.ngrams[chooser.random(len(bag.ngrams)) >= dropout]
    words = bag.words[chooser.random(len(bag.words)) >= WORD_DROPOUT]
    return Bag(ngrams if len(ngrams) else bag.ngrams, words)


def apply(step: DistillStatic, context: StepContext) -> StepResult:
    """Train hashed n-gram embeddings and a small head on the teacher's logits."""
    parent = context.parent
    teacher = open_classifier(parent.path)
    train_data = student_training_data(
        context,
        augment=step.augment,
        unlabeled_texts=step.unlabeled_texts,
        min_texts=step.min_texts,
        new_words=step.new_words,
    )
    lengths = [len(text.split()) for text in context.data.train.texts]
    length = choose_length(lengths, limit=MOST_WORDS, stated=step.max_length, name=step.name, unit="words")
    ngrams = NGrams(
        buckets=step.buckets,
        words=step.word_ngrams,
        characters=tuple(sorted(set(step.char_ngrams))),
        max_words=length,
    )
    known = choose_words(parent.tokenizer_path, context.data.train.texts, step.word_vectors)
    train_data, targets = teacher_outputs(
        context,
        teacher,
        train_data.with_unlabelled(tuple(known)),
        max_length=parent.manifest.max_length,
        teachers=step.teachers,
        features=True,
        bf16=bool(step.bf16),
        device=device_here(),
    )
    words = word_table(known, _last(targets, len(known)), step.word_dim if step.word_vectors else 0)
    train_data, logits = _without_held_out(train_data, targets.logits, context.data)
    student, history = distill_static(
        train_data,
        logits,
        ngrams,
        words,
        step,
        seed=context.seed,
        on_epoch=lambda epoch: context.on_epoch(epoch.epoch, epoch.accuracy),
    )
    save_static(student, context.output_dir / STATIC)
    write_own_config(context.output_dir, "PacklightStatic", parent.labels, {CONFIG_KEY: msgspec.to_builtins(ngrams)})
    best = max(history, key=lambda epoch: (epoch.accuracy, epoch.epoch))
    facts = {
        "best_epoch": best.epoch,
        "val_accuracy": best.accuracy,
        "epochs": [{"epoch": each.epoch, "val_accuracy": each.accuracy} for each in history],
        "texts": len(train_data.train_texts),
        "words": len(known),
    }
    facts["lengths"] = length_facts(
        context.data,
        lambda texts: [ngrams.truncated(text) for text in texts],
        max_length=length,
        unit="words",
        cut="head",
    )
    return StepResult("static", "int8", STATIC, length, batch_invariant=True, facts=facts, long_texts="head")


def _last(targets: TeacherOutputs, count: int) -> np.ndarray:
    """The features of the last texts, [count, features]."""
    features = targets.features
    if features is None:
        raise AssertionError("the teacher was asked for features")
    found: np.ndarray = features[len(features) - count :].numpy()
    return found


def _without_held_out(train_data: TrainingData, logits: Tensor, data: Dataset) -> tuple[TrainingData, Tensor]:
    """The training data and the teacher's logits without unlabelled texts that are also in `val` or `test`."""
    held_out = {*data.val.texts, *data.test.texts}
    texts, labels = train_data.train_texts, train_data.train_labels
    kept = [place for place, text in enumerate(texts) if labels[place] != NO_LABEL or text not in held_out]
    train_data = replace(
        train_data, train_texts=[texts[place] for place in kept], train_labels=[labels[place] for place in kept]
    )
    return train_data, logits[kept]
