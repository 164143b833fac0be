"""Find the label of out-of-scope texts."""

import re
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

from packlight.data.diagnostics import MAX_SHOWN
from packlight.errors import DataError

# Compared without case, spaces, hyphens and underscores.
OUT_OF_SCOPE = frozenset({"oos", "outofscope", "ood", "outofdomain"})


def scope_label(labels: Sequence[str], given: str | None = None) -> str | None:
    """The out-of-scope label: the given one, or the one named `oos`, `out_of_scope`, `ood`, ..., or None.

    Raises:
        DataError: if the given one is not a label, or if two labels have such names.
    """
    if given is not None:
        label = unicodedata.normalize("NFC", given.strip())
        if label not in labels:
            raise DataError(f"--oos-label {given!r} is not one of the {len(labels)} labels; {_near(label, labels)}")
        return label
    found = [label for label in labels if re.sub(r"[\s_-]", "", label.lower()) in OUT_OF_SCOPE]
    if len(found) > 1:
        raise DataError(
            f"{' and '.join(map(repr, found))} could all be the out-of-scope label; choose one with --oos-label"
        )
    return found[0] if found else None


def _near(given: str, labels: Sequence[str]) -> str:
    """Similar labels, or the first few."""
    lowered = {label.lower(): label for label in labels}
    near = [lowered[name] for name in get_close_matches(given.lower(), lowered, n=3)]
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"choose one of them: {', '.join(map(repr, labels[:MAX_SHOWN]))}" + (
        ", ..." if len(labels) > MAX_SHOWN else ""
    )
