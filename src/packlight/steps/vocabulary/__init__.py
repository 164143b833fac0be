"""Cutting a tokenizer's vocabulary, and with it the embedding, to the pieces that texts use.

A pretrained vocabulary is made for all that is ever written; one task's texts use a part of it. For a small encoder
the embedding is half of the weights, so the rest is dead weight on disk, in memory and on the wire, though not in
time. Leaving out the embeddings of pieces that the wanted texts do not use is due to Abdaoui et al. 2020, "Load What
You Need: Smaller Versions of Multilingual BERT" (https://aclanthology.org/2020.sustainlp-1.16).

    inventory   what one tokenizer says of its pieces: the smallest, what each is built of, which are the most frequent
    choose      which pieces stay
    rewrite     the new tokenizer.json, with every id in it renumbered
    embedding   the rows of the model's embedding that go with it
    segment     texts to pieces, and what two tokenizers make of the same texts
"""

from packlight.steps.vocabulary.embedding import cut_embedding, fixed_ids, ids_up_to
from packlight.steps.vocabulary.rewrite import TrimmedTokenizer, write_tokenizer
from packlight.steps.vocabulary.segment import Segmentation, segment
from packlight.steps.vocabulary.trim import open_tokenizer, trim_tokenizer

__all__ = [
    "Segmentation",
    "TrimmedTokenizer",
    "cut_embedding",
    "fixed_ids",
    "ids_up_to",
    "open_tokenizer",
    "segment",
    "trim_tokenizer",
    "write_tokenizer",
]
