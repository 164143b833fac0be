"""Distillation: a student learns the labels and the teacher's answers at once.

The loss is that of Hinton, Vinyals & Dean (2015), Distilling the Knowledge in a Neural Network, section 2:

    alpha * CE(student, labels) + (1 - alpha) * T^2 * KL(softmax(teacher / T) || softmax(student / T))

A student may be any checkpoint, or some of the teacher's own layers, which start it much closer (Sanh et al. 2019,
DistilBERT, section 3; Sajjad et al. 2023, On the effect of dropping layers).
"""

import contextlib
import copy
import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.classifier import pooling
from packlight.errors import RecipeError
from packlight.files import write_whole
from packlight.recipe import Distill
from packlight.steps.inference import logits_of
from packlight.steps.training import Epoch, Lesson, fit
from packlight.tokenization import TextEncoder


def distillation_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    alpha: float,
    temperature: float,
    weights: Tensor | None = None,
) -> Tensor:
    """The loss above, averaged over the batch.

    Args:
        student: logits [batch, labels].
        teacher: logits [batch, labels], without gradient.
        labels: label ids [batch].
        alpha: weight of the labels, from 0 to 1.
        temperature: T, above 0; high values show the teacher's view of the wrong answers.
        weights: factor on each text's loss, [batch]; None for 1.
    """
    hard = nn.functional.cross_entropy(student, labels, reduction="none")
    soft = nn.functional.kl_div(
        nn.functional.log_softmax(student / temperature, dim=-1),
        nn.functional.log_softmax(teacher / temperature, dim=-1),
        reduction="none",
        log_target=True,
    ).sum(dim=-1)
    each = alpha * hard + (1 - alpha) * temperature**2 * soft
    return each.mean() if weights is None else (each * weights).sum() / weights.sum()


def distill(
    student: PreTrainedModel,
    encoder: TextEncoder,
    teacher_logits: Tensor,
    lesson: Lesson,
    options: Distill,
    *,
    work: Path,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Train a student in place.

    Args:
        student: a classifier over the lesson's labels.
        encoder: its tokenizer.
        teacher_logits: what the teacher says of the lesson's training texts, [texts, labels], in the same label order.
        lesson: texts and labels.
        options: the step's options.
        work: folder for checkpoints.
        seed: of batches and dropout.
        on_epoch: called with what `val` says after each epoch.

    Returns:
        What `val` said after each epoch.
    """
    class_weights = torch.ones(len(lesson.labels))

    def objective(logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        return distillation_loss(
            logits,
            teacher_logits[rows.cpu()].to(logits.device),
            labels,
            alpha=options.alpha,
            temperature=options.temperature,
            weights=class_weights.to(logits.device)[labels] if options.boost_weak > 1 else None,
        )

    def after(epoch: Epoch) -> None:
        class_weights.fill_(1.0)
        class_weights[[lesson.labels.index(label) for label, _ in epoch.weak_classes]] = options.boost_weak
        on_epoch(epoch)

    return fit(
        student,
        encoder,
        lesson,
        objective,
        options,
        work=work,
        seed=seed,
        title="distilling",
        frozen=(options.freeze_layers, options.freeze_epochs),
        on_epoch=after,
    )


def take_layers(teacher: PreTrainedModel, layers: Sequence[int] | int) -> PreTrainedModel:
    """A student made of some of the teacher's layers, with its embeddings and head.

    Args:
        teacher: left as it is.
        layers: indices from 0, or how many to take, evenly spaced from the first to the last.

    Raises:
        RecipeError: when the teacher lacks one of them.
    """
    held = len(pooling.encoder_layers(teacher))
    chosen = spaced(layers, held) if isinstance(layers, int) else list(layers)
    if not chosen or min(chosen) < 0 or max(chosen) >= held or sorted(set(chosen)) != chosen:
        raise RecipeError(f"layers {chosen} cannot be taken: give rising numbers from 0 to {held - 1}")
    student = copy.deepcopy(teacher)
    path = pooling.layers_path(student)
    modules = student.get_submodule(path)
    assert isinstance(modules, nn.ModuleList)  # noqa: S101 - layers_path finds module lists
    rest = list(modules)[held:]
    kept = nn.ModuleList([*(modules[index] for index in chosen), *rest])
    owner, _, attribute = path.rpartition(".")
    setattr(student.get_submodule(owner), attribute, kept)
    depth = "n_layers" if hasattr(student.config, "n_layers") else "num_hidden_layers"
    setattr(student.config, depth, len(kept))
    return student


def spaced(count: int, held: int) -> list[int]:
    """`count` of `held` layers, evenly spaced, the first and the last among them; the first where it is one.

    Raises:
        RecipeError: when there are not so many.
    """
    if not 1 <= count <= held:
        raise RecipeError(f"{count} layers cannot be taken of a teacher with {held}")
    return [round(place) for place in np.linspace(0, held - 1, count)]


def cached_logits(
    teacher: PreTrainedModel,
    encoder: TextEncoder,
    texts: Sequence[str],
    *,
    key: str,
    folder: Path,
) -> Tensor:
    """The teacher's logits of the texts, [texts, labels], computed once for each teacher, texts and length.

    Args:
        teacher: answers on a miss.
        encoder: its tokenizer.
        texts: what it is asked.
        key: a hash of the teacher's weights and tokenizer.
        folder: where the cache is kept, as `.npy` named by content.
    """
    digest = hashlib.sha256(f"{key}\0{encoder.max_length}\0".encode())
    for text in texts:
        digest.update(f"{len(text)}:{text}".encode())
    file = folder / f"logits-{digest.hexdigest()[:32]}.npy"
    if file.is_file():
        with contextlib.suppress(OSError, ValueError, EOFError):  # a damaged file is written anew
            return torch.from_numpy(np.load(file, allow_pickle=False))
    logits = logits_of(teacher, encoder, texts)
    write_whole(file, _npy(logits))
    return logits


def _npy(array: Tensor) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array.numpy(), allow_pickle=False)
    return buffer.getvalue()
