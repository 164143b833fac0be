"""The price table: a YAML file with machines, for users to edit."""

import math
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec

from packlight.core_yaml import YamlError, read_yaml
from packlight.errors import PacklightError
from packlight.expected import problem_of, shown

Positive = Annotated[float, msgspec.Meta(gt=0)]
Name = Annotated[str, msgspec.Meta(min_length=1)]
DEFAULT = "data/prices.yaml"
START = "`packlight plan --show-prices` prints a table to start from"


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of machine that can be rented."""

    name: Name
    vcpus: Annotated[int, msgspec.Meta(ge=1)]
    memory_gb: Positive
    """GB of 10^9 bytes"""
    usd_per_hour: Positive
    notes: str = ""


class PriceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `prices.yaml`."""

    hours_per_month: Positive
    reserved_memory_gb: Annotated[float, msgspec.Meta(ge=0)]
    """memory on each machine that models cannot use"""
    machines: Annotated[tuple[Machine, ...], msgspec.Meta(min_length=1)]

    def workers_in_memory(self, machine: Machine, memory_mb: float) -> int:
        """The number of workers of this size, above 0, that fit in the memory that models can use on a machine."""
        return math.floor(max(0.0, machine.memory_gb - self.reserved_memory_gb) * 1000 / memory_mb)


def read_prices(path: Path) -> PriceTable:
    """Read a price table.

    Raises:
        PacklightError: if the file is missing, is not YAML, has an unknown key or a value out of range, or lists a
            machine twice.
    """
    try:
        return _decode(path.read_bytes(), str(path))
    except OSError as error:
        raise PacklightError(f"{path}: cannot read the price table ({error.strerror})") from error


def default_prices() -> PriceTable:
    """The built-in table. Its prices are invented examples, to be replaced by the user's own."""
    return _decode(files("packlight").joinpath(DEFAULT).read_bytes(), DEFAULT)


def default_prices_text() -> str:
    """The text of the built-in table, with comments, as a template."""
    return files("packlight").joinpath(DEFAULT).read_text(encoding="utf-8")


def _decode(content: bytes, name: str) -> PriceTable:
    try:
        document = read_yaml(content.decode()).value
    except (UnicodeDecodeError, YamlError) as error:
        raise PacklightError(f"{name}: not a price table ({error})") from error
    try:
        table = msgspec.convert(document, PriceTable)
    except msgspec.ValidationError as error:
        raise PacklightError(f"{name}: {_problem(document) or error}; {START}") from error
    names = [machine.name for machine in table.machines]
    if twice := sorted({machine for machine in names if names.count(machine) > 1}):
        raise PacklightError(f"{name}: the machine {twice[0]!r} is listed twice; give each its own name")
    return table


def _problem(document: object) -> str | None:
    """What is wrong with a document: where, what was given and what is expected; None if no problem is found."""
    if not isinstance(document, dict):
        return f"a price table is a mapping of hours_per_month and other keys, but this is {shown(document)}"
    machines = document.get("machines")
    if not isinstance(machines, list) or not machines:
        return problem_of(PriceTable, document)
    for number, machine in enumerate(machines, start=1):
        if not isinstance(machine, dict):
            return f"machine {number} is {shown(machine)}, but must be a mapping of name, vcpus and other keys"
        if (problem := problem_of(Machine, machine)) is not None:
            return f"machine {number}: {problem}"
    return problem_of(PriceTable, document)
