"""Train only the embedding rows that the texts use.

An embedding row that no text uses gets no gradient, but still costs an optimizer update in every step. For a small
encoder with 30,522 tokens, that is about a third of the training time. So training uses only the rows that occur, and
writes them back afterwards. The result is the same as training the whole table, with unused rows unchanged.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from packlight.runtime.windows import mapped


class ActiveVocabulary:
    """A model whose embedding is reduced to the ids in use, until `restore` writes the rows back."""

    def __init__(self, model: PreTrainedModel, rows: Iterable[Sequence[int]], *, pad_id: int) -> None:
        """Reduce the model's embedding, in place, to the ids that occur in `rows`.

        Ids up to the padding id keep their index, because some architectures count positions from it.
        """
        whole = model.get_input_embeddings()
        assert isinstance(whole, nn.Embedding)  # transformers' own contract
        self._model = model
        self._whole = whole
        used = set(range(max(pad_id, whole.padding_idx or 0) + 1))
        for row in rows:
            used.update(row)
        self._used = torch.tensor(sorted(used))
        self._new_id = {int(old): new for new, old in enumerate(self._used)}
        model.set_input_embeddings(
            nn.Embedding.from_pretrained(
                self._whole.weight.detach()[self._used].clone(),
                freeze=False,
                padding_idx=self._whole.padding_idx,
            ),
        )

    def map(self, row: list[int]) -> list[int]:
        """Map ids of the whole table to ids of the reduced one."""
        return mapped(row, lambda part: [self._new_id[piece] for piece in part])

    def restore(self) -> None:
        """Write the trained rows back into the whole table, and put that back into the model."""
        cut = self._model.get_input_embeddings()
        assert isinstance(cut, nn.Embedding)  # set above
        with torch.no_grad():
            self._whole.weight[self._used] = cut.weight.detach().cpu()
        self._model.set_input_embeddings(self._whole)
