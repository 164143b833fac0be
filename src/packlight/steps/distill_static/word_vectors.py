"""The vectors of the words that a static student knows.

A student that learns only from the training texts knows nothing of other words. Its teacher does: each known word is given to
the teacher as a text, and the input of the teacher's last layer is the word's vector (compare Minish Lab 2024, Model2Vec). The
vectors are projected onto their principal components and stored in int4. They aren't trained, so that words which no
training text contains keep their place among those which one does. Only a factor for each word is trained, which begins at the
weight of Arora et al. (2017), A Simple but Tough-to-Beat Baseline for Sentence Embeddings, equation 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from packlight.runtime.bag import Hashes, hash_of

SMOOTHING = 1e-4
"""words that are rarer than this have nearly full weight"""
NORM = 3.0
"""mean length of a rare word's vector"""
INT4_LIMIT = 7
INT4_RANGE = 2.5
"""standard deviations of a column that int4 covers; values beyond become the limit"""
SMALLEST = 1e-8


@dataclass(frozen=True)
class WordTable:
    """The vectors of the known words, as they are stored. A vector is `weights[row] * values[row] * scale`."""

    hashes: Hashes
    """[words]"""
    values: npt.NDArray[np.int8]
    """from -7 to 7, [words, width]"""
    scale: npt.NDArray[np.float32]
    """[width]"""
    weights: npt.NDArray[np.float32]
    """[words]; where training starts"""


def word_table(known: Mapping[str, int], features: npt.NDArray[np.float32], width: int) -> WordTable:
    """The table of the known words.

    Args:
        known: the words, each with its rank by frequency, as `choose_words` gives them.
        features: what the teacher's last layer is given for each, [words, features].
        width: columns of the table, an even number. Those that the features don't fill are zero.
    """
    vectors = np.zeros((len(known), width), dtype=np.float32)
    if known:
        centred = features.astype(np.float64) - features.mean(axis=0)
        _, components = np.linalg.eigh(centred.T @ centred)
        projected = centred @ components[:, ::-1][:, :width]
        vectors[:, : projected.shape[1]] = projected
    norms = np.linalg.norm(vectors, axis=1, keepdims=True).clip(SMALLEST)
    directions = vectors / norms
    spread = directions.std(axis=0) if len(directions) else np.ones(width)
    scale = (spread * INT4_RANGE / INT4_LIMIT).clip(SMALLEST)
    values = (directions / scale).round().clip(-INT4_LIMIT, INT4_LIMIT)
    rarity = _rarity(np.array(list(known.values()), dtype=np.float64))
    weights = norms[:, 0] / max(norms.mean() if len(norms) else 1.0, SMALLEST) * NORM * rarity
    return WordTable(
        np.array([hash_of(word) for word in known], dtype=np.uint32),
        values.astype(np.int8),
        scale.astype(np.float32),
        weights.astype(np.float32),
    )


def _rarity(ranks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weight of words by rank, between 0 and 1, if the frequency of a word falls with its rank (Zipf's law)."""
    most = ranks.max(initial=0) + 2
    frequency = 1 / ((ranks + 2) * np.log(most))
    rarity: npt.NDArray[np.float64] = SMOOTHING / (SMOOTHING + frequency)
    return rarity
