"""How a ramp chooses its rates."""

import msgspec


class Ramp(msgspec.Struct, frozen=True, kw_only=True):
    """How rates are chosen."""

    start: float = 100.0
    """the first rate"""
    factor: float = 1.5
    """each next rate, until the bound breaks"""
    refine: int = 4
    """halvings of the last step after that"""
    attempts: int = 2
    """times that a level may break the bound before it counts: other work on the machine breaks it too"""
    seconds: float = 10.0
    """of each level"""
