"""Options of `calibrate`."""

from typing import TYPE_CHECKING, Annotated

import msgspec

from packlight.errors import RecipeError
from packlight.steps.out_of_scope import check_oos_examples, has_oos_class, oos_rate_weights
from packlight.steps.step import SAME, OosRate, Step, described

if TYPE_CHECKING:
    from packlight.data import Dataset


ABSTAIN = 0.02
"""in-scope accuracy that is given up by default"""


class Calibrate(Step, frozen=True, kw_only=True, tag="calibrate"):
    """Choose the out-of-scope threshold and the temperature on val, and fold them into the last layer."""

    needs = ("torch", "onnx", "onnx-int8", "static")
    makes = SAME
    generation = 2
    keeps_model = True
    lasting_facts = ("rule", "oos_rate", "val_oos_recall", "val_in_scope_accuracy", "abstention")
    artifact_name = "calibrated"
    example = "artifacts/student --data intents.csv --oos-rate 0.2"

    oos_rate: Annotated[
        OosRate | None,
        described(
            "Expected share of out-of-scope texts in your traffic, or `val` for the share in val.",
            null="unknown, so the threshold with the best accuracy at the worst share is chosen",
        ),
    ] = None
    abstain: Annotated[
        Annotated[float, msgspec.Meta(gt=0, lt=1)],
        described(
            "Without an out-of-scope class: in-scope accuracy, on val, to give up by abstaining from uncertain texts. If val "
            "has out-of-scope texts, they choose the threshold instead."
        ),
    ] = ABSTAIN

    def check_data(self, data: "Dataset") -> None:
        """Check that val has the out-of-scope texts needed to choose a threshold, and that a stated abstention has an effect.

        Raises:
            RecipeError: if val has none, or if models learn an out-of-scope class instead of abstaining.
        """
        if self.abstain != ABSTAIN and has_oos_class(data):
            raise RecipeError(
                f"{self.name}: abstain {self.abstain:g} has no effect: train has texts labelled {data.oos_label!r}, so models learn "
                "that class; omit abstain"
            )
        check_oos_examples(data, where=self.name)
        oos_rate_weights(data, self.oos_rate, where=self.name)
