"""Options of `cascade`."""

from typing import TYPE_CHECKING, Annotated

import msgspec

from packlight.steps.out_of_scope import oos_rate_weights
from packlight.steps.step import Name, OosRate, Share, Step, described

if TYPE_CHECKING:
    from packlight.data import Dataset


class Cascade(Step, frozen=True, kw_only=True, tag="cascade"):
    """Let a fast model answer the texts that it is confident about, and a better model the rest."""

    needs = ("onnx", "onnx-int8", "torch")
    makes = "cascade"
    artifact_name = "cascade"
    example = "artifacts/student-onnx --first artifacts/static --data intents.csv"

    first: Annotated[Name, described("Fast model to ask first: a static one, or one in ONNX.", takes="variant")]
    max_accuracy_drop: Annotated[
        Share, described("Maximum loss of accuracy compared with the better model alone, from 0 to 1.")
    ] = 0.01
    confidence: Annotated[
        Annotated[float, msgspec.Meta(ge=0.5, lt=1)],
        described("Statistical confidence in that maximum, from 0.5 to 1. Computed on val."),
    ] = 0.95
    oos_rate: Annotated[
        OosRate | None,
        described(
            "Expected share of out-of-scope texts in your traffic, or `val` for the share in val.",
            null="the share in val",
        ),
    ] = None

    @property
    def contradiction(self) -> str | None:
        """Check that the two models are different."""
        return f"first and from are both {self.first!r}; give two models" if self.first == self.parent else None

    @property
    def other_parents(self) -> dict[Name, tuple[str, ...]]:
        """The fast model."""
        return {self.first: ("static", "onnx-int8", "onnx")}

    def check_data(self, data: "Dataset") -> None:
        """Check that val has out-of-scope texts if a rate is stated.

        Raises:
            RecipeError: if it has none.
        """
        oos_rate_weights(data, self.oos_rate, where=self.name)
