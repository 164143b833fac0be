"""The static engine: hashed n-gram embeddings in int8 or int4 and a small head in int8, in NumPy.

    model_static.safetensors
        embedding    int8     [buckets, width]     each n-gram's vector; int4 is uint8 [buckets, width / 2], two values
                                                   per byte, the first one in the low bits, each plus 8
        scale        float32  [width]              of the embedding's columns
        words        uint8    [words, breadth / 2] each known word's vector, in int4 as above; words may be 0
        word_scale   float32  [breadth]            of its columns
        word_weights float32  [words]              factor of each word
        word_hashes  uint32   [words]              by which words are found, all different
        first        int8     [width + breadth, hidden]  with first_scale and first_bias, float32 [hidden]
        last         int8     [hidden, labels]     with last_scale and last_bias, float32 [labels]
    config.json, key packlight_ngrams              the n-grams to look up

logits = relu([n-grams, words] first + first_bias) last + last_bias, where `n-grams` is the sum of the n-grams' vectors / sqrt(their
number), `words` the weighted sum of the known words' vectors / sqrt(their number), and each integer matrix is multiplied by its scale
when the artifact is opened.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from packlight.errors import ArtifactError
from packlight.runtime.artifact import STATIC, Artifact
from packlight.runtime.bag import Bag, BagReader
from packlight.runtime.engine import Engine, EngineInfo, Logits
from packlight.runtime.ngrams import NGrams

CONFIG_KEY = "packlight_ngrams"
Tensors = dict[str, npt.NDArray[Any]]
ENCODED_TOGETHER, RUN_TOGETHER = 256, 64
"""texts per block: more would not fit into the processor's caches"""
LONGEST = 64
"""maximum length of a character n-gram in bytes, far beyond what is useful"""
ONES = np.ones(1024, dtype=np.float32)
"""covers the usual number of n-grams; a text with more needs a new array"""
TENSORS = (
    "embedding", "scale", "words", "word_scale", "word_weights", "word_hashes", "first", "first_scale", "first_bias", "last",
    "last_scale", "last_bias",
)  # fmt: skip
INT4_OFFSET = 8
"""added to an int4 value, from -7 to 7, so that it fits into half a byte without a sign"""


class StaticEngine(Engine[Bag]):
    """A static artifact."""

    info = EngineInfo(
        name="static",
        label="static n-grams",
        colour="#CC79A7",
        form="static",
        model_files={"int8": STATIC},
        pads=False,
        tries_threads=False,
        exact_int8=True,  # int8 numbers are added, not multiplied
        length_unit="words",
        note="answers on one thread",
        brings="and no tokenizer to go with it",
        hub_tags=("static",),
    )

    def __init__(self, artifact: Artifact, *, threads: int | None = None) -> None:
        """Open a verified artifact.

        Args:
            artifact: an artifact of this engine.
            threads: ignored; there is always one.

        Raises:
            ArtifactError: if its table doesn't match its configuration.
        """
        self.labels = artifact.labels
        del threads
        self.threads = 1
        ngrams = read_ngrams(artifact.path / "config.json")
        tensors = read_tensors(artifact.model_path)
        _check_shapes(tensors, ngrams.buckets, len(self.labels), artifact.path)
        self._reader = BagReader(ngrams, tensors["word_hashes"])
        self._embedding, self._words = unpacked(tensors["embedding"]), unpacked(tensors["words"])
        self._word_weights = tensors["word_weights"]
        scale = np.concatenate([tensors["scale"], tensors["word_scale"]])
        self._first = np.ascontiguousarray(scale[:, None] * (tensors["first"] * tensors["first_scale"]))
        self._first_bias = tensors["first_bias"]
        self._last, self._last_bias = tensors["last"] * tensors["last_scale"], tensors["last_bias"]
        self._width = self._embedding.shape[1]

    def encode(self, texts: Sequence[str]) -> list[Bag]:
        """The rows of each text's n-grams and known words."""
        chunks = [texts[start : start + ENCODED_TOGETHER] for start in range(0, len(texts), ENCODED_TOGETHER)]
        return [bag for chunk in chunks for bag in self._reader.read(chunk)]

    def truncated(self, texts: Sequence[str], encoded: Sequence[Bag]) -> list[bool]:
        """For each text, whether it has more words than the model's maximum."""
        del encoded
        return [self._reader.ngrams.truncated(text) for text in texts]

    def logits(self, encoded: Sequence[Bag]) -> Logits:
        """Run texts one at a time: float32 of shape [texts, labels]."""
        if len(encoded) == 1:
            (bag,) = encoded
            pooled = np.empty(len(self._first), dtype=np.float32)
            self._pool(bag, self._embedding.take(bag.ngrams, axis=0), pooled)
            return self._head(pooled)[None]
        chunks = [encoded[start : start + RUN_TOGETHER] for start in range(0, len(encoded), RUN_TOGETHER)]
        return np.concatenate([self._answers(chunk) for chunk in chunks])

    def _answers(self, bags: Sequence[Bag]) -> Logits:
        """As for each text alone, bit for bit: every product is of a vector and a matrix."""
        vectors = self._embedding.take(np.concatenate([bag.ngrams for bag in bags]), axis=0)
        pooled = np.empty((len(bags), 1, len(self._first)), dtype=np.float32)
        start = 0
        for bag, row in zip(bags, pooled[:, 0], strict=True):
            end = start + len(bag.ngrams)
            self._pool(bag, vectors[start:end], row)
            start = end
        return self._head(pooled)[:, 0]

    def _pool(self, bag: Bag, vectors: npt.NDArray[np.int8], pooled: Logits) -> None:
        """Write the first layer's input for a text, given its n-grams' vectors."""
        count, known, width = len(bag.ngrams), len(bag.words), self._width
        # Sums of bytes are whole numbers, which float32 adds without error, and BLAS adds them twice as fast as NumPy's
        # sum.
        ones = ONES[:count] if count <= len(ONES) else np.ones(count, dtype=np.float32)
        np.matmul(ones, vectors.astype(np.float32), out=pooled[:width])
        pooled[:width] /= np.float32(count**0.5)
        if known:
            weights = self._word_weights.take(bag.words)
            weights /= np.float32(known**0.5)
            np.matmul(weights, self._words.take(bag.words, axis=0).astype(np.float32), out=pooled[width:])
        else:
            pooled[width:] = 0

    def _head(self, pooled: Logits) -> Logits:
        """Logits [..., labels] of the first layer's input [..., width]."""
        hidden = np.maximum(pooled @ self._first + self._first_bias, np.float32(0))
        logits: Logits = hidden @ self._last + self._last_bias
        return logits


def _check_shapes(tensors: Tensors, buckets: int, labels: int, where: Path) -> None:
    """See the module's table."""
    width, breadth, hidden = (tensors[name].size for name in ("scale", "word_scale", "first_bias"))
    words = tensors["word_hashes"].size
    packed = tensors["embedding"].dtype == np.uint8
    wanted = {
        "embedding": (buckets, width // 2 if packed else width),
        "scale": (width,),
        "words": (words, breadth // 2),
        "word_scale": (breadth,),
        "word_weights": (words,),
        "word_hashes": (words,),
        "first": (width + breadth, hidden),
        "first_scale": (hidden,),
        "first_bias": (hidden,),
        "last": (hidden, labels),
        "last_scale": (labels,),
        "last_bias": (labels,),
    }
    fits = all(tensors[name].shape == shape for name, shape in wanted.items())
    kinds = {
        "embedding": (np.int8, np.uint8),
        "words": (np.uint8,),
        "word_hashes": (np.uint32,),
        "first": (np.int8,),
        "last": (np.int8,),
    }
    if not fits or any(tensors[name].dtype not in each for name, each in kinds.items()):
        raise ArtifactError(f"{where}: its table doesn't match its configuration; build the artifact again")


def packed_int4(values: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Values from -7 to 7, [rows, width] with an even width, as two per byte: [rows, width / 2]."""
    halves = (values + INT4_OFFSET).astype(np.uint8)
    return (halves[:, 0::2] | (halves[:, 1::2] << 4)).astype(np.uint8)


def unpacked(embedding: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
    """An embedding as int8 [rows, width]."""
    if embedding.dtype == np.int8:
        return embedding
    halves = np.stack([embedding & 15, embedding >> 4], axis=-1).reshape(len(embedding), 2 * embedding.shape[1])
    return halves.astype(np.int8) - np.int8(INT4_OFFSET)


def read_ngrams(config: Path) -> NGrams:
    """The n-grams that a static artifact looks up, from its `config.json`.

    Raises:
        ArtifactError: if it doesn't state them.
    """
    try:
        ngrams = msgspec.convert(json.loads(config.read_text(encoding="utf-8"))[CONFIG_KEY], NGrams)
    except (OSError, ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise ArtifactError(f"{config}: needs {CONFIG_KEY} of a static model ({error!r})") from error
    lengths = ngrams.characters
    if list(lengths) != sorted(set(lengths)) or min(lengths, default=1) < 1 or max(lengths, default=1) > LONGEST:
        raise ArtifactError(
            f"{config}: {CONFIG_KEY}.characters are {list(lengths)}; lengths from 1 to {LONGEST} must increase"
        )
    return ngrams


def read_tensors(file: Path) -> Tensors:
    """The tensors of a static model by name.

    Raises:
        ArtifactError: if the file is damaged or lacks one.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors: Tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{file}: not a safetensors file ({error})") from error
    if missing := [name for name in TENSORS if name not in tensors]:
        raise ArtifactError(f"{file}: lacks {missing[0]}; build the artifact again")
    return tensors


def scale_head(file: Path, factor: Logits, offset: Logits) -> None:
    """Fold `logits * factor + offset`, each of shape [labels], into the head of the file, in place."""
    from safetensors.numpy import save_file

    tensors = read_tensors(file)
    tensors["last_scale"] = (tensors["last_scale"] * factor).astype(np.float32)
    tensors["last_bias"] = (tensors["last_bias"] * factor + offset).astype(np.float32)
    save_file(tensors, file)
