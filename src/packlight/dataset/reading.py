"""How data was read, in the words of the command line."""

from collections.abc import Mapping


def as_options(reading: Mapping[str, str | int]) -> list[str]:
    """The options of `load_dataset` that were given, as `packlight` takes them, such as `--text-column utterance`."""
    return [word for name, value in reading.items() for word in (f"--{name.replace('_', '-')}", str(value))]
