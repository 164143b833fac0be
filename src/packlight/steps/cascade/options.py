"""Options of `cascade`."""

from typing import Annotated

import msgspec

from packlight.steps.step import Name, OosRate, Share, Step


class Cascade(Step, frozen=True, kw_only=True, tag="cascade"):
    """Let a fast model answer what it is sure of, and the parent the rest."""

    needs = ("onnx", "onnx-int8", "torch")
    makes = "cascade"

    first: Name
    """the fast model, such as one of `distill-static`"""
    max_accuracy_drop: Share = 0.01
    """accuracy that may be given up against the parent alone"""
    confidence: Annotated[float, msgspec.Meta(ge=0.5, lt=1)] = 0.95
    """that no more is given up, as far as val's texts can tell"""
    oos_rate: OosRate | None = None
    """share of out-of-scope texts that the traffic is expected to have; `val` or null for that of val"""

    @property
    def contradiction(self) -> str | None:
        """A model before itself."""
        return f"first and from are both {self.first!r}; give two models" if self.first == self.parent else None

    @property
    def others(self) -> dict[Name, tuple[str, ...]]:
        """The fast model."""
        return {self.first: ("static", "onnx-int8", "onnx")}
