"""What every engine is: texts in, logits out, on a stated number of threads."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]


class Engine(Protocol):
    """An artifact opened on one runtime."""

    name: str
    """such as torch or onnxruntime"""
    labels: tuple[str, ...]
    threads: int

    def logits(self, texts: Sequence[str]) -> Logits:
        """Answer one batch: float32 of shape [texts, labels]. The caller chooses the batch."""
        ...
