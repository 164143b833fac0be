"""The model that training started from: its revision, hashes and license."""

import msgspec


class BaseModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that training started from."""

    reference: str
    """the user's reference"""
    id: str | None = None
    """id on the Hub, if known"""
    revision: str | None = None
    """commit on the Hub, if it came from there"""
    license: str | None = None
    """the Hub's identifier, such as `apache-2.0`; None if the model's files don't state it"""
    weights: dict[str, str]
    """SHA-256 of each file of weights"""
