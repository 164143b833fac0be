"""Out-of-scope thresholds and temperatures: chosen on `val`, built into a model's last layer."""

from packlight.steps.calibration.abstain import Abstention, choose_abstention
from packlight.steps.calibration.rule import Rule, choose_rule
from packlight.steps.calibration.scores import Separation, compare_scores

__all__ = ["Abstention", "Rule", "Separation", "choose_abstention", "choose_rule", "compare_scores"]
