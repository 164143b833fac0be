"""Which texts run together: texts of the same length, so that nothing is padded.

A batch that is padded to its longest text spends most of its time on padding, and its float32 results depend on how far it
was padded. A window of many thousand texts has enough texts of every length to fill batches without any.
"""

from collections.abc import Iterator, Sequence

import numpy as np

BATCH_TOKENS = 512
"""tokens of a batch: 256 to 1,024 were equally fast on one thread, for students of 3 layers (docs/decisions/0032)"""
BATCH_TEXTS = 256
"""texts of a batch on an engine that runs each text by itself"""


def batches(lengths: Sequence[int], *, pads: bool, together: bool, budget: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Places of texts that share a batch, the shortest texts first; each place comes once.

    Args:
        lengths: of each text, in tokens.
        pads: whether the engine pads a batch to its longest text.
        together: whether texts may share a batch at all; if not, each text is a batch of its own.
        budget: most tokens of a batch. A longer text is a batch by itself.
    """
    if not together:
        yield from ([place] for place in range(len(lengths)))
        return
    if not pads:
        places = list(range(len(lengths)))
        yield from (places[start : start + BATCH_TEXTS] for start in range(0, len(places), BATCH_TEXTS))
        return
    sizes = np.asarray(lengths)
    order = np.argsort(sizes, kind="stable")
    ends = [*np.flatnonzero(np.diff(sizes[order])) + 1, len(order)]
    begin = 0
    for end in ends:
        if begin == end:
            continue
        most = max(1, budget // max(1, int(sizes[order[begin]])))
        group = order[begin:end].tolist()
        yield from (group[start : start + most] for start in range(0, len(group), most))
        begin = end
