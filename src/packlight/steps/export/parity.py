"""Check on real texts that a transformed model gives its parent's logits, before anything else is built on it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel

from packlight.errors import ParityError
from packlight.measure.results import Parity
from packlight.runtime.ort_session import onnxruntime, open_on_cpu
from packlight.runtime.tokenization import Ids, TextEncoder, Tokens
from packlight.runtime.windows import parts_of

BATCH_SIZES = (1, 3, 32)

REAL_TEXTS = 192

Logits = npt.NDArray[np.float32]

LENGTHS = (1, 2, 3, 4, 6, 9, 13, 20, 30, 45, 64, 96, 160, 256, 384, 512)


def check_export(
    parent: PreTrainedModel,
    graph: Path,
    encoder: TextEncoder,
    texts: Sequence[str],
    *,
    tolerance: float,
    name: str,
) -> Parity:
    """Compare an exported graph's logits with its parent's.

    Real texts run in batches of 1, 3 and 32 with normal padding. So do real texts that are joined or cut to each of the
    `LENGTHS` up to the artifact's maximum.

    Raises:
        ParityError: if a logit differs by more than the tolerance, or is not a number.
    """
    session = open_on_cpu(graph)
    worst, agreed, queries, longest = 0.0, 0, 0, 0
    for tokens in _batches(encoder, texts):
        feed = tokens.feed()
        answer = _answers(session, feed, name)
        with torch.inference_mode():
            expected = parent(**{key: torch.from_numpy(value) for key, value in feed.items()}).logits.numpy()
        difference = np.abs(answer - expected).max()
        worst = max(worst, float(difference) if np.isfinite(difference) else float("inf"))
        agreed += int((answer.argmax(1) == expected.argmax(1)).sum())
        queries += len(answer)
        longest = max(longest, tokens.input_ids.shape[1])
    if worst > tolerance:
        raise ParityError(
            f"{name}: its logits differ from the parent's by up to {worst:.2g}, more than the tolerance of "
            f"{tolerance:.2g} ({agreed} of {queries} labels agree); export with `fuse: false`, or raise `tolerance` "
            "if that difference is acceptable",
        )
    return Parity(
        queries=queries,
        batch_sizes=BATCH_SIZES,
        longest=longest,
        max_abs_difference=worst,
        tolerance=tolerance,
        label_agreement=agreed / queries,
    )


def _answers(session: onnxruntime.InferenceSession, feed: dict[str, Ids], name: str) -> Logits:
    try:
        answer: Logits = session.run(["logits"], feed)[0]
    except Exception as error:  # the library raises its own types, all of them plain Exceptions
        texts, length = feed["input_ids"].shape
        raise ParityError(
            f"{name}: ONNX Runtime rejects a batch of {texts} texts of {length} tokens: {error}; export with "
            "`fuse: false`, and if that helps, please report it"
        ) from error
    return answer


def _batches(encoder: TextEncoder, texts: Sequence[str]) -> Iterator[Tokens]:
    rows = [part for row in encoder.ids(texts[:REAL_TEXTS]) for part in parts_of(row)][:REAL_TEXTS]
    start = 0
    while start < len(rows):
        for size in BATCH_SIZES:
            if batch := rows[start : start + size]:
                yield encoder.pad(batch)
            start += size
    joined = [piece for row in rows for piece in row[1:-1]] or [encoder.pad_id]
    first, last = rows[0][0], rows[0][-1]
    for length in sorted({*(size for size in LENGTHS if size <= encoder.max_length), encoder.max_length}):
        inner = (joined * (length // len(joined) + 1))[: max(length - 2, 0)]
        yield encoder.pad([[first, *inner, last][:length]])
