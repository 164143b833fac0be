"""Attention relations: similarities among the last layer's queries, keys and values.

The loss of MiniLMv2 (Wang et al. 2021, Multi-Head Self-Attention Relation Distillation, section 3): queries, keys and
values of the last layer are split into the same number of relation heads on both sides, so teacher and student can
differ in heads and width. softmax(Q Q' / sqrt(d)), and the same for K and V, are compared by Kullback-Leibler
divergence at every token.
"""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.errors import RecipeError
from packlight.models import attention_heads, mean_pooling
from packlight.runtime.tokenization import TextEncoder

RELATION_HEADS = 12
PADDED = -1e4
"""score of a padding token: finite, so that the difference of two scores is always defined"""


def check_relations_known(model: PreTrainedModel) -> mean_pooling.ArchitectureLayout:
    """Find the model's queries, keys and values.

    Raises:
        RecipeError: if they are not known, or are too narrow for the relation heads.
    """
    family = mean_pooling.family_of(model)
    if family is None:
        raise RecipeError(f"relation_weight: the attention of {model.config.model_type!r} is not supported")
    width = attention_heads.num_heads(model) * attention_heads.head_dim(model)
    if width < RELATION_HEADS:
        raise RecipeError(f"relation_weight: needs at least {RELATION_HEADS} hidden units, the model has {width}")
    return family


class _Projections:
    """Records the queries, keys and values of a model's last layer, each [batch, tokens, width]."""

    def __init__(self, model: PreTrainedModel) -> None:
        family = check_relations_known(model)
        last = mean_pooling.encoder_layers(model)[-1]
        self._modules = [last.get_submodule(name) for name in (family.query, family.key, family.value)]
        self._seen: list[Tensor] = [torch.empty(0)] * len(self._modules)

    def __enter__(self) -> Self:
        self._hooks = [
            module.register_forward_hook(lambda _, __, output, place=place: self._remember(place, output))
            for place, module in enumerate(self._modules)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def logarithms(self, mask: Tensor) -> list[Tensor]:
        """Log relations, each [batch, relation heads, tokens, tokens], restricted to the mask [batch, tokens]."""
        return [_log_relations(values, mask) for values in self._seen]

    def _remember(self, place: int, output: Tensor) -> None:
        self._seen[place] = output.float()


class TeacherRelations:
    """A teacher that computes the relations of training texts while a student trains."""

    def __init__(self, teacher: PreTrainedModel, encoder: TextEncoder, texts: Sequence[str]) -> None:
        """Prepare the teacher.

        Args:
            teacher: a classifier, set to evaluation mode.
            encoder: its tokenizer, which must be the student's too.
            texts: the training texts that rows refer to.

        Raises:
            RecipeError: if the architecture's queries, keys and values are not known.
        """
        self._projections = _Projections(teacher)
        self._teacher = teacher
        self._encoder = encoder
        self._rows = encoder.ids(texts)

    @torch.no_grad()
    def of(self, rows: Sequence[int], device: torch.device) -> tuple[list[Tensor], Tensor]:
        """Log relations of some texts, and their mask [texts, tokens]."""
        tokens = self._encoder.pad([self._rows[row] for row in rows])
        mask = torch.from_numpy(tokens.attention_mask).to(device)
        self._teacher.to(device)  # type: ignore[arg-type]  # the signature of transformers' wrapper
        with self._projections:
            self._teacher(input_ids=torch.from_numpy(tokens.input_ids).to(device), attention_mask=mask)
        return self._projections.logarithms(mask), mask


class StudentRelations(_Projections):
    """Records a student's relations during training."""

    def distance(self, teacher: TeacherRelations, rows: Sequence[int]) -> Tensor:
        """Mean Kullback-Leibler divergence between the teacher's relations and those of the student's last batch.

        Raises:
            RecipeError: if teacher and student tokenize the texts differently.
        """
        values = self._seen[0]
        wanted, mask = teacher.of(rows, values.device)
        if values.shape[1] != mask.shape[1]:
            raise RecipeError("relation_weight: teacher and student need the same tokenizer")
        own = self.logarithms(mask)
        seen = mask.bool()
        pairs = seen[:, None, :, None] & seen[:, None, None, :]
        total = own[0].new_zeros(())
        for student, goal in zip(own, wanted, strict=True):
            difference = nn.functional.kl_div(student, goal, reduction="none", log_target=True)
            total = total + (difference * pairs).sum()
        return total / (len(own) * RELATION_HEADS * seen.sum())


def _log_relations(values: Tensor, mask: Tensor) -> Tensor:
    batch, tokens, width = values.shape
    size = width // RELATION_HEADS
    attention_heads = values[..., : size * RELATION_HEADS].reshape(batch, tokens, RELATION_HEADS, size).transpose(1, 2)
    scores = attention_heads @ attention_heads.transpose(-1, -2) / size**0.5
    return torch.log_softmax(scores.masked_fill(mask[:, None, None, :] == 0, PADDED), dim=-1)
