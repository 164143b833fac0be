"""Distillation: a student learns the labels and the teacher's answers at once.

The loss is that of Hinton, Vinyals & Dean (2015), Distilling the Knowledge in a Neural Network, section 2:

    alpha * CE(student, labels) + (1 - alpha) * T^2 * KL(softmax(teacher / T) || softmax(student / T))

to which, when asked for, are added the squared error of the logits (Ba & Caruana 2014), the cosine distance between
what the two heads see (Sanh et al. 2019, section 3), and the relations inside the last layer's attention
(`steps.relations`).

A student may be any checkpoint, or some of the teacher's own layers, which start it much closer (Sanh et al. 2019,
DistilBERT, section 3; Sajjad et al. 2023, On the effect of dropping layers).
"""

import contextlib
import copy
import hashlib
import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.classifier import pooling
from packlight.classifier.stock import final_layer
from packlight.errors import RecipeError
from packlight.files import write_whole
from packlight.recipe import Distill
from packlight.steps.inference import answers_of
from packlight.steps.relations import StudentRelations, TeacherRelations
from packlight.steps.training import UNLABELLED, Epoch, Lesson, fit
from packlight.tokenization import TextEncoder


def distillation_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    alpha: float,
    temperature: float,
    logit_weight: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """The loss above, averaged over the batch.

    The softmax does not see what all logits of a text have in common, but an out-of-scope threshold does: the squared
    error of the logits themselves (Ba & Caruana 2014, Do Deep Nets Really Need to be Deep?, section 2.2) can be added.

    Args:
        student: logits [batch, labels].
        teacher: logits [batch, labels], without gradient.
        labels: label ids [batch]; `UNLABELLED` for texts that only the teacher says something of.
        alpha: weight of the labels, from 0 to 1.
        temperature: T, above 0; high values show the teacher's view of the wrong answers.
        logit_weight: weight of the mean squared error of the logits.
        weights: factor on each text's loss, [batch]; None for 1.
    """
    hard = nn.functional.cross_entropy(student, labels, ignore_index=UNLABELLED, reduction="none")
    soft = nn.functional.kl_div(
        nn.functional.log_softmax(student / temperature, dim=-1),
        nn.functional.log_softmax(teacher / temperature, dim=-1),
        reduction="none",
        log_target=True,
    ).sum(dim=-1)
    each = alpha * hard + (1 - alpha) * temperature**2 * soft
    if logit_weight:
        each = each + logit_weight * (student - teacher).square().mean(dim=-1)
    return each.mean() if weights is None else (each * weights).sum() / weights.sum()


@dataclass(frozen=True)
class Teaching:
    """What the teacher says of the lesson's training texts."""

    logits: Tensor
    """[texts, labels], in the lesson's label order"""
    features: Tensor | None = None
    """what the teacher's last layer sees, [texts, width]; needed for `hidden_weight`"""
    relations: TeacherRelations | None = None
    """answers for any of the texts; needed for `relation_weight`"""


def distill(
    student: PreTrainedModel,
    encoder: TextEncoder,
    teaching: Teaching,
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
        teaching: what the teacher says of the lesson's training texts.
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
        chosen = rows.cpu()
        loss = distillation_loss(
            logits,
            teaching.logits[chosen].to(logits.device),
            labels,
            alpha=options.alpha,
            temperature=options.temperature,
            logit_weight=options.logit_weight,
            weights=_weights(class_weights.to(logits.device), labels) if options.boost_weak > 1 else None,
        )
        if teaching.features is not None:
            wanted = teaching.features[chosen].to(logits.device)
            loss = loss + options.hidden_weight * (1 - nn.functional.cosine_similarity(watched.seen, wanted)).mean()
        if teaching.relations is not None and relations is not None:
            loss = loss + options.relation_weight * relations.distance(teaching.relations, chosen.tolist())
        return loss

    def after(epoch: Epoch) -> None:
        class_weights.fill_(1.0)
        class_weights[[lesson.labels.index(label) for label, _ in epoch.weak_classes]] = options.boost_weak
        on_epoch(epoch)

    with _Watched(student) as watched, ExitStack() as stack:
        relations = stack.enter_context(StudentRelations(student)) if teaching.relations is not None else None
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


def _weights(class_weights: Tensor, labels: Tensor) -> Tensor:
    """Each text's factor; 1 for texts without a label."""
    return torch.where(labels == UNLABELLED, 1.0, class_weights[labels.clamp_min(0)])


class _Watched:
    """Remembers what the last layer of a model saw last: `seen`, [batch, width]."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._final = final_layer(model)
        self.seen = torch.empty(0)

    def __enter__(self) -> Self:
        self._hook = self._final.register_forward_pre_hook(self._remember)
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def _remember(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.seen = inputs[0].float()


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


def cached_answers(
    teacher: PreTrainedModel,
    encoder: TextEncoder,
    texts: Sequence[str],
    *,
    key: str,
    folder: Path,
) -> tuple[Tensor, Tensor]:
    """The teacher's logits [texts, labels] and what its last layer saw [texts, width], float32.

    They are computed once for each teacher, texts and length.

    Args:
        teacher: answers on a miss.
        encoder: its tokenizer.
        texts: what it is asked.
        key: a hash of the teacher's weights and tokenizer.
        folder: where the cache is kept, as `.npz` named by content.
    """
    digest = hashlib.sha256(f"{key}\0{encoder.max_length}\0".encode())
    for text in texts:
        digest.update(f"{len(text)}:{text}".encode())
    file = folder / f"answers-{digest.hexdigest()[:32]}.npz"
    if file.is_file():
        # A damaged file is written anew.
        damage = contextlib.suppress(OSError, ValueError, EOFError, KeyError, BadZipFile)
        with damage, np.load(file, allow_pickle=False) as known:
            return torch.from_numpy(known["logits"]), torch.from_numpy(known["features"])
    logits, features = answers_of(teacher, encoder, texts)
    buffer = io.BytesIO()
    np.savez(buffer, logits=logits.numpy(), features=features.numpy())
    write_whole(file, buffer.getvalue())
    return logits, features
