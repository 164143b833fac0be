"""The model that training started from: its revision, hashes and license."""

import msgspec


class BaseModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that training started from."""

    reference: str
    """what the user called it"""
    id: str | None = None
    """on the Hub, where it is known"""
    revision: str | None = None
    """the commit on the Hub, where it came from there"""
    license: str | None = None
    """the Hub's word for it, such as `apache-2.0`; None where the model's files do not say"""
    weights: dict[str, str]
    """sha256 of each file of weights"""
