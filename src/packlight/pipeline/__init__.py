"""The walk from a model and labelled texts to measured artifacts."""

from packlight.pipeline.run import Outcome, run

__all__ = ["Outcome", "run"]
