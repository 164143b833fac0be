"""Options of `calibrate`."""

from typing import Annotated

import msgspec

from packlight.steps.step import OosRate, Step

SAME = "same"
"""makes the kind of model that it starts from"""


class Calibrate(Step, frozen=True, kw_only=True, tag="calibrate"):
    """Set the out-of-scope threshold and the temperature on val, and build them into the last layer."""

    needs = ("torch", "onnx", "onnx-int8", "static")
    makes = SAME

    oos_rate: OosRate | None = None
    """share of out-of-scope texts that the traffic is expected to have; `val` for that of val; null where nobody knows: the
    threshold whose accuracy is highest at its worst rate"""
    coverage: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.95
    """without an out-of-scope class: share of val texts that are answered rather than abstained from"""
