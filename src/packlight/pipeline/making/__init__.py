"""Making one variant: what each kind of step does to a folder that is still a draft."""

from packlight.pipeline.making import (  # noqa: F401 - they register their steps
    calibration,
    cascade,
    conversion,
    pruning,
    quantization,
    reduction,
    static,
    training,
)
from packlight.pipeline.making.agreement import agreement_with_parent
from packlight.pipeline.making.bench import Bench, Made, make

__all__ = ["Bench", "Made", "agreement_with_parent", "make"]
