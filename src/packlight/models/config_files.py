"""Read the JSON files of a model folder."""

import json
from pathlib import Path
from typing import Any

from packlight.errors import ModelError


def read_json(path: Path, where: str) -> dict[str, Any]:
    """A JSON object of a model folder.

    Raises:
        ModelError: if it is damaged.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{where}: {path.name} is damaged ({error}); download or save the model again") from error
    if not isinstance(document, dict):
        raise ModelError(f"{where}: {path.name} is not a JSON object; download or save the model again")
    return document
