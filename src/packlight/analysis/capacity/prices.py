"""The price table: a YAML file of machines that the user edits."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec

from packlight.core_yaml import YamlError, read_yaml
from packlight.errors import PacklightError

Positive = Annotated[float, msgspec.Meta(gt=0)]
Name = Annotated[str, msgspec.Meta(min_length=1)]
DEFAULT = "data/prices.yaml"


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of machine that can be rented."""

    name: Name
    vcpus: Annotated[int, msgspec.Meta(ge=1)]
    memory_gb: Positive
    """GB of 10^9 bytes"""
    usd_per_hour: Positive
    notes: str = ""


class PriceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `prices.yaml` holds."""

    hours_per_month: Positive
    reserved_memory_gb: Annotated[float, msgspec.Meta(ge=0)]
    """memory on each machine that is not the models'"""
    machines: Annotated[tuple[Machine, ...], msgspec.Meta(min_length=1)]


def read_prices(path: Path) -> PriceTable:
    """Read a price table.

    Raises:
        PacklightError: when the file is missing, is not YAML, has an unknown key or a value out of range, or
            names a machine twice.
    """
    try:
        return _decode(path.read_bytes(), str(path))
    except OSError as error:
        raise PacklightError(f"{path}: cannot read the price table ({error.strerror})") from error


def default_prices() -> PriceTable:
    """The table that the package ships: invented example prices, to be replaced by the user's own."""
    return _decode(files("packlight").joinpath(DEFAULT).read_bytes(), DEFAULT)


def default_prices_text() -> str:
    """The shipped table as text with its comments: a start for one's own."""
    return files("packlight").joinpath(DEFAULT).read_text(encoding="utf-8")


def _decode(content: bytes, name: str) -> PriceTable:
    try:
        table = msgspec.convert(read_yaml(content.decode()).value, PriceTable)
    except (msgspec.MsgspecError, UnicodeDecodeError, YamlError) as error:
        known = ", ".join(field.name for field in msgspec.structs.fields(Machine))
        raise PacklightError(f"{name}: not a price table ({error}); a machine has {known}") from error
    names = [machine.name for machine in table.machines]
    if twice := sorted({machine for machine in names if names.count(machine) > 1}):
        raise PacklightError(f"{name}: the machine {twice[0]!r} is listed twice; give each its own name")
    return table
