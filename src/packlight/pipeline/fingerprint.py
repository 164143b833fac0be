"""What determined a variant, as one hash: when nothing of it changed, nothing is done again."""

import hashlib

import msgspec

GENERATIONS = {"calibrate": 2, "export": 2, "quantize-onnx": 2}
"""by the step's word, 1 where it is not here; raised when a step's code changes so that its results do"""


def fingerprint(*, kind: str, options: object, parent: str, data: str, seed: int) -> str:
    """Hash of everything that determines a variant.

    Args:
        kind: the step's word.
        options: its options, as plain data.
        parent: fingerprint of the parent, or hash of the checkpoint that it starts from.
        data: hash of the data set.
        seed: of the run.
    """
    document = {
        "generation": GENERATIONS.get(kind, 1),
        "kind": kind,
        "options": options,
        "parent": parent,
        "data": data,
        "seed": seed,
    }
    return hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()
