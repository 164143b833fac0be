"""Words with nearly the same embedding in a teacher, which generated texts use in place of each other.

A few hundred texts contain a small part of the words that people will use. The teacher knows the others from its
pretraining, and its embedding says which of them are alike (compare Jiao et al. 2020, TinyBERT, section 3.2, who take the
words from a language model and GloVe). A student only sees them if a generated text contains them.
"""

from collections.abc import Mapping, Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel

NEAREST = 10
"""words that can replace a word, at most"""

LEAST_SIMILARITY = 0.3
"""cosine similarity that a replacement has at least"""

ROWS = 1024
"""words compared with all others at once"""


@torch.no_grad()
def nearest_words(
    teacher: PreTrainedModel, tokenizer: Tokenizer, texts: Sequence[str]
) -> Mapping[str, tuple[str, ...]]:
    """The nearest words of each word of the texts that is a single token, most similar first.

    The embedding's mean is subtracted first, because all its vectors share a large component (Mu & Viswanath 2018,
    All-but-the-Top). Words without a similar one are left out.

    Args:
        teacher: its input embedding is used.
        tokenizer: the teacher's own.
        texts: words are what whitespace separates, in the tokenizer's own case.
    """
    ids = _whole_words(tokenizer)
    words = list(ids)
    wanted = sorted({word for text in texts for word in text.split()} & ids.keys())
    if not wanted:
        return {}
    embedding: Tensor = teacher.get_input_embeddings().weight  # type: ignore[assignment]  # a module's attribute, to mypy
    table = embedding.detach().float().cpu()[list(ids.values())]
    table = torch.nn.functional.normalize(table - table.mean(dim=0), dim=1)
    row_of = {word: row for row, word in enumerate(words)}
    found: dict[str, tuple[str, ...]] = {}
    for start in range(0, len(wanted), ROWS):
        some = wanted[start : start + ROWS]
        similar = table[[row_of[word] for word in some]] @ table.T
        values, rows = similar.topk(min(NEAREST + 1, len(words)), dim=1)
        for word, similarities, near in zip(some, values.tolist(), rows.tolist(), strict=True):
            alike = [words[row] for value, row in zip(similarities, near, strict=True) if value >= LEAST_SIMILARITY]
            if others := tuple(other for other in alike if other != word):
                found[word] = others
    return found


def _whole_words(tokenizer: Tokenizer) -> dict[str, int]:
    """The words of at least two letters that are a single token, with its id, in the order of the ids."""
    ids = sorted(tokenizer.get_vocab(with_added_tokens=False).values())
    texts = [text.strip() for text in tokenizer.decode_batch([[each] for each in ids])]
    spelled = [text for text in dict.fromkeys(texts) if len(text) > 1 and text.isalpha()]
    # A word inside a sentence comes after a space, which is part of the token in byte-level vocabularies.
    tokens = tokenizer.encode_batch([f"a {text}" for text in spelled], add_special_tokens=False)
    alone = tokenizer.encode("a", add_special_tokens=False).ids
    return {
        text: each.ids[-1]
        for text, each in zip(spelled, tokens, strict=True)
        if len(each.ids) == len(alone) + 1 and each.ids[:-1] == alone
    }
