"""Options of `prune`."""

from dataclasses import replace
from typing import Annotated

from packlight.models.structure import Structure
from packlight.steps.step import Count, Positive, Step, described


class Prune(Step, frozen=True, kw_only=True, tag="prune"):
    """Remove layers, and the least important neurons and attention heads.

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
    texts: Annotated[Positive, described("Number of training texts to estimate importance on.")] = 1024
    threads: Annotated[
        Positive | None, described("CPU threads for estimating importance.", null="as many as the run trains with")
    ] = None

    @property
    def contradiction(self) -> str | None:
        """Check that there is something to remove."""
        nothing = self.layers is self.intermediate_size is self.heads is None
        return "nothing to remove: give layers, intermediate_size or heads" if nothing else None

    def obstacle(self, structure: Structure) -> str | None:
        """Check that the architecture has the parts, and more of them than are kept."""
        layers = None if self.layers is None else structure.lacks_layers(self.layers)
        neurons, heads = self.intermediate_size, self.heads
        found = [
            layers,
            None if neurons is None else structure.lacks("feed-forward neurons", structure.neurons, neurons),
            None if heads is None else structure.lacks("attention heads", structure.heads, heads),
        ]
        return next((each for each in found if each), None)

    def result_structure(self, structure: Structure) -> Structure:
        """The structure after pruning."""
        layers = len(self.layers) if isinstance(self.layers, tuple) else self.layers
        return replace(
            structure,
            layers=layers or structure.layers,
            neurons=self.intermediate_size or structure.neurons,
            heads=self.heads or structure.heads,
        )
