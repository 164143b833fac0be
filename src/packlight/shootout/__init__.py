"""Which engine is the fastest on this machine: one classifier in all its forms, side by side at equal threads.

`shoot_out` makes the forms that it can of one float32 torch artifact, times them in interleaved rounds, compares their
answers to `val` with the labels, and writes the fastest of those that are right often enough as an artifact.
"""

from packlight.analysis.engine_selection import Row, ShootOut
from packlight.shootout.run import shoot_out

__all__ = ["Row", "ShootOut", "shoot_out"]
