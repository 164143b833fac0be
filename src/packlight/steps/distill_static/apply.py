"""Distilling a classifier into hashed n-gram embeddings and a small head.

The student is a bag of n-grams (Joulin et al. 2017, Bag of Tricks for Efficient Text Classification) with one hidden
layer, trained on a transformer's logits for the training texts and for unlabelled texts generated from them (compare Tang et al.
2019, Distilling Task-Specific Knowledge from BERT into Simple Neural Networks). It is stored in int8, its embedding in
int4 on request, with one scale for each column. Outside training, and on `val` too, the rounded matrices are used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from packlight.models.hf_model import open_classifier
from packlight.progress import bar
from packlight.runtime.artifact import STATIC
from packlight.runtime.engines.static import CONFIG_KEY, packed_int4
from packlight.runtime.ngrams import NGrams, Rows
from packlight.steps.context import StepContext, StepResult, write_own_config
from packlight.steps.distill_static.options import DistillStatic
from packlight.steps.training.devices import device_here
from packlight.steps.training.lengths import choose_length, length_facts
from packlight.steps.training.objectives import distillation_loss
from packlight.steps.training.teacher_targets import student_training_data, teacher_outputs
from packlight.steps.training.training_data import TrainingData

INT8_LIMIT, INT4_LIMIT = 127, 7

INT4_RANGE = 2.5
"""standard deviations of a column that int4 covers; values beyond become the limit"""

SMALLEST_SCALE = 1e-8

START = 0.1
"""standard deviation of the embedding before training"""

HEAD_DROPOUT = 0.2

EVAL_BATCH = 256
MOST_WORDS = 8192
"""upper bound of `max_length`"""

WEIGHT_DECAY = 1e-4


class StaticStudent(nn.Module):
    """The student. See `engines.static` for the formula. Outside training, all matrices are rounded as they are stored.

    An int4 embedding is rounded in training too, and the gradient passes through unchanged (Bengio et al. 2013, Estimating
    or Propagating Gradients Through Stochastic Neurons, section 4): its steps are too coarse to be rounded afterwards.
    """

    def __init__(self, options: DistillStatic, labels: int) -> None:
        """Start with small random vectors. The caller sets the seed."""
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(options.buckets, options.embedding_dim) * START)
        self.first = nn.Linear(options.embedding_dim, options.hidden_size)
        self.last = nn.Linear(options.hidden_size, labels)
        self.drop = nn.Dropout(HEAD_DROPOUT)
        self.int4 = options.embeddings == "int4"
        self._rounded: tuple[Tensor, Tensor, Tensor] | None = None

    def stored_embedding(self) -> tuple[Tensor, Tensor]:
        """The embedding as it is stored, int8 [buckets, width] with values in the range of its type, and its scale [width]."""
        table = self.embedding.detach()
        if self.int4:
            scale = (table.std(dim=0) * INT4_RANGE / INT4_LIMIT).clamp_min(SMALLEST_SCALE)
            return (table / scale).round().clamp(-INT4_LIMIT, INT4_LIMIT).to(torch.int8), scale
        return _int8(table)

    def stored_head(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """The two matrices of the head as they are stored, int8 [inputs, outputs], each with the scale of its outputs."""
        first, last = (_int8(layer.weight.detach().T.contiguous()) for layer in (self.first, self.last))
        return first, last

    def forward(self, rows: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        """Logits [texts, labels] of texts whose weighted n-grams are concatenated; each text starts at its offset."""
        table, first, last = self._matrices()
        vectors = nn.functional.embedding_bag(rows, table, offsets, mode="sum", per_sample_weights=weights)
        hidden: Tensor = self.drop(torch.relu(vectors @ first + self.first.bias))
        logits: Tensor = hidden @ last + self.last.bias
        return logits

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Switch between the trained matrices and the rounded ones."""
        self._rounded = None
        return super().train(mode)

    def _matrices(self) -> tuple[Tensor, Tensor, Tensor]:
        """The embedding and the two matrices of the head."""
        if self.training:
            return self._trained_embedding(), self.first.weight.T, self.last.weight.T
        if self._rounded is None:
            table, first, last = (values * scale for values, scale in (self.stored_embedding(), *self.stored_head()))
            self._rounded = table, first, last
        return self._rounded

    def _trained_embedding(self) -> Tensor:
        if not self.int4:
            return self.embedding
        values, scale = self.stored_embedding()
        return self.embedding + (values * scale - self.embedding.detach())


def _int8(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix in int8, and the scale of each column."""
    scale = (matrix.abs().amax(dim=0) / INT8_LIMIT).clamp_min(SMALLEST_SCALE)
    return (matrix / scale).round().to(torch.int8), scale


@dataclass(frozen=True)
class StaticEpoch:
    """The results on `val` after one epoch."""

    epoch: int
    accuracy: float


def distill_static(
    train_data: TrainingData,
    teacher_logits: Tensor,
    ngrams: NGrams,
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
        options: the step's options.
        seed: of the initial weights, the order and the dropout.
        on_epoch: called after each epoch with its results on `val`.

    Returns:
        The student with the weights of its best epoch on `val`, and the results after each epoch.
    """
    torch.manual_seed(seed)
    chooser = np.random.default_rng(seed)
    student = StaticStudent(options, len(train_data.labels))
    train = [ngrams.rows(text) for text in train_data.train_texts]
    val = [ngrams.rows(text) for text in train_data.val_texts]
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
                batch = _batch([_thinned(train[index], options.dropout, chooser) for index in chosen])
                places = torch.from_numpy(chosen)
                logits = student(*batch)
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


@torch.no_grad()
def answers(student: StaticStudent, texts: Sequence[Rows]) -> np.ndarray:
    """Logits of texts given by their n-grams: [texts, labels]."""
    student.eval()
    parts = [student(*_batch(texts[start : start + EVAL_BATCH])) for start in range(0, len(texts), EVAL_BATCH)]
    logits: np.ndarray = torch.cat(parts).numpy()
    return logits


def save_static(student: StaticStudent, file: Path) -> None:
    """Write the tensors that `engines.static` reads."""
    embedding, scale = student.stored_embedding()
    (first, first_scale), (last, last_scale) = student.stored_head()
    tensors = {
        "embedding": torch.from_numpy(packed_int4(embedding.numpy())) if student.int4 else embedding,
        "scale": scale,
        "first": first,
        "first_scale": first_scale,
        "first_bias": student.first.bias.detach(),
        "last": last,
        "last_scale": last_scale,
        "last_bias": student.last.bias.detach(),
    }
    save_file(tensors, file)


def _thinned(rows: Rows, dropout: float, chooser: np.random.Generator) -> Rows:
    kept = rows[chooser.random(len(rows)) >= dropout]
    return kept if len(kept) else rows


def _batch(texts: Sequence[Rows]) -> tuple[Tensor, Tensor, Tensor]:
    lengths = np.array([len(rows) for rows in texts])
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    weights = np.repeat(1 / np.sqrt(lengths), lengths).astype(np.float32)
    return torch.from_numpy(np.concatenate(texts)), torch.from_numpy(offsets), torch.from_numpy(weights)


def apply(step: DistillStatic, context: StepContext) -> StepResult:
    """Train hashed n-gram embeddings and a small head on the teacher's logits."""
    parent = context.parent
    teacher = open_classifier(parent.path)
    train_data = student_training_data(
        context, augment=step.augment, unlabeled_texts=step.unlabeled_texts, min_texts=step.min_texts
    )
    words = [len(text.split()) for text in context.data.train.texts]
    length = choose_length(words, limit=MOST_WORDS, stated=step.max_length, name=step.name, unit="words")
    train_data, targets = teacher_outputs(
        context,
        teacher,
        train_data,
        max_length=parent.manifest.max_length,
        bf16=bool(step.bf16),
        device=device_here(),
    )
    ngrams = NGrams(
        buckets=step.buckets,
        words=step.word_ngrams,
        characters=tuple(sorted(set(step.char_ngrams))),
        max_words=length,
    )
    student, history = distill_static(
        train_data,
        targets.logits,
        ngrams,
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
    }
    facts["lengths"] = length_facts(
        context.data,
        lambda texts: [ngrams.truncated(text) for text in texts],
        max_length=length,
        unit="words",
        cut="head",
    )
    return StepResult("static", "int8", STATIC, length, batch_invariant=True, facts=facts, long_texts="head")
