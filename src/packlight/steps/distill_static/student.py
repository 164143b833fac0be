"""The static student while it is trained: n-gram embeddings, vectors of known words and a head, rounded outside training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from packlight.runtime.bag import Bag
from packlight.runtime.engines.static import packed_int4
from packlight.runtime.ngrams import Rows
from packlight.steps.distill_static.options import DistillStatic
from packlight.steps.distill_static.word_vectors import INT4_LIMIT, INT4_RANGE, WordTable

INT8_LIMIT = 127

SMALLEST_SCALE = 1e-8

START = 0.1
"""standard deviation of the embedding before training"""

HEAD_DROPOUT = 0.2

SCALE_LASTS = 20
"""training batches after which the scale of an int4 embedding is computed again"""

EVAL_BATCH = 256


class StaticStudent(nn.Module):
    """The student. See `engines.static` for the formula. Outside training, all matrices are rounded as they are stored.

    An int4 embedding is rounded in training too, and the gradient passes through unchanged (Bengio et al. 2013, Estimating
    or Propagating Gradients Through Stochastic Neurons, section 4): its steps are too coarse to be rounded afterwards.
    """

    def __init__(self, options: DistillStatic, words: WordTable, labels: int) -> None:
        """Start with small random vectors for n-grams. The caller sets the seed."""
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(options.buckets, options.embedding_dim) * START)
        self.hashes = words.hashes
        self.word_values, self.word_scale = torch.from_numpy(words.values), torch.from_numpy(words.scale)
        self._word_vectors = self.word_values * self.word_scale
        self._starting_weights = torch.from_numpy(words.weights)
        self.log_factors = nn.Parameter(torch.zeros(len(words.weights)))
        self.first = nn.Linear(options.embedding_dim + words.values.shape[1], options.hidden_size)
        self.last = nn.Linear(options.hidden_size, labels)
        self.drop = nn.Dropout(HEAD_DROPOUT)
        self.int4 = options.embeddings == "int4"
        self._rounded: tuple[Tensor, Tensor, Tensor] | None = None
        self._scale = torch.empty(0)
        self._batches = 0

    def stored_embedding(self) -> tuple[Tensor, Tensor]:
        """The embedding as it is stored, int8 [buckets, width] with values in the range of its type, and its scale [width]."""
        table = self.embedding.detach()
        if self.int4:
            scale = self._int4_scale()
            return _int4(table, scale).to(torch.int8), scale
        return _int8(table)

    def stored_head(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """The two matrices of the head as they are stored, int8 [inputs, outputs], each with the scale of its outputs."""
        first, last = (_int8(layer.weight.detach().T.contiguous()) for layer in (self.first, self.last))
        return first, last

    def word_weights(self) -> Tensor:
        """The factor of each word's vector, [words]."""
        return self._starting_weights * self.log_factors.exp()

    def forward(self, ngrams: "TableRows", words: "TableRows") -> Tensor:
        """Logits [texts, labels]."""
        table, first, last = self._matrices()
        parts = [self._pooled_int4(ngrams) if self.training and self.int4 else _pooled(table, ngrams, ngrams.weights)]
        if len(self._word_vectors):
            parts.append(_pooled(self._word_vectors, words, words.weights * self.word_weights()[words.rows]))
        vectors = torch.cat(parts, dim=1)
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
            return self.embedding, self.first.weight.T, self.last.weight.T
        if self._rounded is None:
            table, first, last = (values * scale for values, scale in (self.stored_embedding(), *self.stored_head()))
            self._rounded = table, first, last
        return self._rounded

    def _pooled_int4(self, ngrams: "TableRows") -> Tensor:
        """As `_pooled`, of an embedding that is rounded to int4. Only the rows that occur are rounded, which is much faster."""
        if self._batches % SCALE_LASTS == 0:
            self._scale = self._int4_scale()
        self._batches += 1
        rows, places = torch.unique(ngrams.rows, return_inverse=True)
        vectors = self.embedding[rows]
        rounded = _int4(vectors.detach(), self._scale) * self._scale
        return _pooled(vectors + (rounded - vectors.detach()), replace(ngrams, rows=places), ngrams.weights)

    def _int4_scale(self) -> Tensor:
        return (self.embedding.detach().std(dim=0) * INT4_RANGE / INT4_LIMIT).clamp_min(SMALLEST_SCALE)


@dataclass(frozen=True)
class TableRows:
    """The rows of several texts in one table, one text after another."""

    rows: Tensor
    """[rows of all texts]"""
    offsets: Tensor
    """where each text starts, [texts]"""
    weights: Tensor
    """of each row: 1 / sqrt(the text's number of rows)"""

    @classmethod
    def of(cls, texts: Sequence[Rows]) -> Self:
        """The rows of each text, at least one text."""
        lengths = np.array([len(rows) for rows in texts])
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        weights = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths).astype(np.float32)
        return cls(torch.from_numpy(np.concatenate(texts)), torch.from_numpy(offsets), torch.from_numpy(weights))


def _pooled(table: Tensor, texts: TableRows, weights: Tensor) -> Tensor:
    """The weighted sum of each text's rows: [texts, width]; zero for a text without any."""
    pooled: Tensor = nn.functional.embedding_bag(
        texts.rows, table, texts.offsets, mode="sum", per_sample_weights=weights
    )
    return pooled


def _int4(vectors: Tensor, scale: Tensor) -> Tensor:
    """Vectors in steps of each column's scale: whole numbers from -7 to 7, in float32."""
    return (vectors / scale).round().clamp(-INT4_LIMIT, INT4_LIMIT)


def _int8(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix in int8, and the scale of each column."""
    scale = (matrix.abs().amax(dim=0) / INT8_LIMIT).clamp_min(SMALLEST_SCALE)
    return (matrix / scale).round().to(torch.int8), scale


def batch_of(bags: Sequence[Bag]) -> tuple[TableRows, TableRows]:
    """The rows of several texts in the table of n-grams, and in that of words."""
    return TableRows.of([bag.ngrams for bag in bags]), TableRows.of([bag.words for bag in bags])


@torch.no_grad()
def answers(student: StaticStudent, texts: Sequence[Bag]) -> np.ndarray:
    """Logits of texts given by their bags: [texts, labels]."""
    student.eval()
    parts = [student(*batch_of(texts[start : start + EVAL_BATCH])) for start in range(0, len(texts), EVAL_BATCH)]
    logits: np.ndarray = torch.cat(parts).numpy()
    return logits


def save_static(student: StaticStudent, file: Path) -> None:
    """Write the tensors that `engines.static` reads."""
    embedding, scale = student.stored_embedding()
    (first, first_scale), (last, last_scale) = student.stored_head()
    tensors = {
        "embedding": torch.from_numpy(packed_int4(embedding.numpy())) if student.int4 else embedding,
        "scale": scale,
        "words": torch.from_numpy(packed_int4(student.word_values.numpy())),
        "word_scale": student.word_scale,
        "word_weights": student.word_weights().detach(),
        "word_hashes": torch.from_numpy(student.hashes),
        "first": first,
        "first_scale": first_scale,
        "first_bias": student.first.bias.detach(),
        "last": last,
        "last_scale": last_scale,
        "last_bias": student.last.bias.detach(),
    }
    save_file(tensors, file)
