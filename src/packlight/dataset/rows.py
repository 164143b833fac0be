"""What every reader yields: rows that know where they stand, not yet judged."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One text and its label as the source holds them.

    `file` and `number` are what an error message shows: a path (or a Hub reference) and the line, record or
    item counted from 1. `text` and `label` are unchecked: None where the source has none, and of any type.
    """

    file: str
    number: int
    text: object
    label: object
