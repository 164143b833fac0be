"""Keep pandas out of a worker.

pyarrow imports pandas, if it is installed, when it converts its first list, to recognize objects of pandas. A worker has none, and
the import takes as long as everything else that happens before its first text.
"""

import sys
from importlib.machinery import ModuleSpec


class _Hidden:
    """An importer that finds no pandas."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Refuse pandas, and leave all other modules to the other importers."""
        del path, target
        if name == "pandas":
            raise ModuleNotFoundError("a worker of packlight score does without pandas", name=name)
        return None


def look_for_pandas_in_vain() -> None:
    """Let pyarrow look for pandas now. It looks only once, and others can still import pandas afterwards."""
    import pyarrow as pa

    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([""])
    finally:
        sys.meta_path.remove(hidden)
