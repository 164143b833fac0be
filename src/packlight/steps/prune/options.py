"""Options of `prune`."""

from dataclasses import replace
from typing import Annotated, Literal

import msgspec

from packlight.models.structure import Structure
from packlight.steps.step import Count, Positive, Step, described


class Prune(Step, frozen=True, kw_only=True, tag="prune"):
    """Remove layers, the least important neurons and attention heads, and directions of the hidden states.

    Restore the accuracy with `distill`.
    """

    needs = ("torch",)
    makes = "torch"
    next_step = "distill"
    needs_restoring = True
    artifact_name = "pruned"
    example = "artifacts/teacher --data intents.csv --layers 3"

    layers: Annotated[
        tuple[Count, ...] | Positive | None,
        described("Encoder layers to keep: how many, evenly spaced, or their indices from 0.", null="all"),
    ] = None
    intermediate_size: Annotated[
        Positive | None, described("Neurons to keep in each feed-forward block.", null="all")
    ] = None
    heads: Annotated[Positive | None, described("Attention heads to keep in each layer.", null="all")] = None
    hidden_size: Annotated[
        Positive | Annotated[float, msgspec.Meta(gt=0, lt=1)] | None,
        described(
            "Width of the hidden states to keep, in channels or as a share, rounded down to whole attention heads. As many heads "
            "are kept as fit into it.",
            null="all",
        ),
    ] = None
    unsupported: Annotated[
        Literal["refuse", "keep"],
        described(
            "What to do with an architecture whose hidden states packlight can't make narrower, or that has fewer layers than "
            "`layers`: `refuse` it, or `keep` its width or all its layers and say so."
        ),
    ] = "refuse"
    texts: Annotated[Positive, described("Number of training texts to estimate importance on.")] = 1024
    threads: Annotated[
        Positive | None, described("CPU threads for estimating importance.", null="as many as the run trains with")
    ] = None

    @property
    def contradiction(self) -> str | None:
        """Check that there is something to remove."""
        if self.layers is self.intermediate_size is self.heads is self.hidden_size is None:
            return "nothing to remove: give layers, intermediate_size, heads or hidden_size"
        if self.heads is not None and self.hidden_size is not None:
            return "hidden_size sets the number of heads; omit heads"
        return None

    def obstacle(self, structure: Structure) -> str | None:
        """Check that the architecture has the parts, and more of them than are kept."""
        layers = None if self.layers is None else structure.lacks_layers(self.layers)
        neurons, heads, hidden = self.intermediate_size, self.heads, self.hidden_size
        found = [
            None if self.keeps_layers(structure) else layers,
            None if neurons is None else structure.lacks("feed-forward neurons", structure.neurons, neurons),
            None if heads is None else structure.lacks("attention heads", structure.heads, heads),
            None if hidden is None or self.keeps_width(structure) else structure.lacks_width(hidden),
        ]
        return next((each for each in found if each), None)

    def keeps_width(self, structure: Structure) -> bool:
        """Whether the hidden states stay as they are because the architecture is not supported."""
        return self.unsupported == "keep" and structure.hidden is None

    def keeps_layers(self, structure: Structure) -> bool:
        """Whether all layers stay because there are fewer than the number to keep."""
        if self.unsupported == "refuse" or not isinstance(self.layers, int) or structure.layers is None:
            return False
        return self.layers > structure.layers

    def result_structure(self, structure: Structure) -> Structure:
        """The structure after pruning."""
        layers = len(self.layers) if isinstance(self.layers, tuple) else self.layers
        pruned = replace(
            structure,
            layers=structure.layers if self.keeps_layers(structure) else layers or structure.layers,
            neurons=self.intermediate_size or structure.neurons,
            heads=self.heads or structure.heads,
        )
        if self.hidden_size is None or self.keeps_width(structure):
            return pruned
        hidden, heads = structure.narrowed(self.hidden_size)
        return replace(pruned, hidden=hidden, heads=heads)
