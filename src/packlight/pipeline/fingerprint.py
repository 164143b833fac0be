"""One hash of everything that determines a variant. If it is unchanged, the variant is not built again."""

import hashlib

import msgspec


def fingerprint(*, kind: str, options: object, parent: str, data: str, seed: int, generation: int = 1) -> str:
    """Hash of everything that determines a variant.

    Args:
        kind: the step's word.
        options: its options, as plain data.
        parent: fingerprint of the parent, or hash of the checkpoint that it starts from.
        data: hash of the data set.
        seed: random seed of the run.
        generation: version of the step's code.
    """
    document = {
        "generation": generation,
        "kind": kind,
        "options": options,
        "parent": parent,
        "data": data,
        "seed": seed,
    }
    return hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()
