"""Options of `prune`."""

from packlight.steps.step import Count, Positive, Step


class Prune(Step, frozen=True, kw_only=True, tag="prune"):
    """Remove layers, and the neurons and attention heads that matter least; heal it by `distill`."""

    needs = ("torch",)
    makes = "torch"

    layers: tuple[Count, ...] | Positive | None = None
    """which layers are kept, counted from 0; a number keeps so many, evenly spaced; null for all"""
    intermediate_size: Positive | None = None
    """neurons kept in each feed-forward block; null for all"""
    heads: Positive | None = None
    """attention heads kept in each layer; null for all"""
    texts: Positive = 1024
    """training texts that importance is measured on"""
    threads: Positive | None = None
    """threads that importance is measured on; null for all that this process may use"""

    @property
    def contradiction(self) -> str | None:
        """Nothing to remove."""
        nothing = self.layers is self.intermediate_size is self.heads is None
        return "nothing to remove: give layers, intermediate_size or heads" if nothing else None
