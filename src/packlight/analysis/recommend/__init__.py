"""The playbook: which variant to ship under given constraints, and why, from the measured figures.

quick-win   the fastest that doesn't need a student: the given model, exported and quantized
balanced    the fastest that is not measurably less accurate than the most accurate
edge        the least memory within a stated loss of accuracy
portable    like balanced, among those that plain ONNX Runtime can run
last-mile   the fastest within a stated loss of accuracy
"""

from packlight.analysis.recommend.constraints import PROFILES, Constraints, Violation
from packlight.analysis.recommend.playbook import NearestRow, Recommendation, recommend
from packlight.analysis.recommend.reasons import RunnerUp

__all__ = [
    "PROFILES",
    "Constraints",
    "NearestRow",
    "Recommendation",
    "RunnerUp",
    "Violation",
    "recommend",
]
