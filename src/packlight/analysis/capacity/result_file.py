"""Read the JSON file of another command, from which a plan takes its figures."""

from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from packlight.errors import MeasurementError
from packlight.files import DAMAGED_JSON

Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Record = TypeVar("Record", bound=msgspec.Struct)


def read_result(path: Path, record: type[Record], what: str, made_with: str) -> Record:
    """Read a command's result.

    Args:
        path: the file.
        record: the part of it that a plan needs. Everything else is ignored.
        what: its name in messages, such as "a result of `packlight loadtest`".
        made_with: the command that writes such a file.

    Raises:
        MeasurementError: if the file is missing, damaged or of an unknown format.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=record)
    except OSError as error:
        raise MeasurementError(f"{path}: cannot be read ({error.strerror}); give {what}") from error
    except DAMAGED_JSON as error:
        raise MeasurementError(f"{path}: not {what} ({error}); make one with `{made_with}`") from error
