"""Options of `finetune`."""

from packlight.steps.step import Count
from packlight.steps.training.options import Training


class Finetune(Training, frozen=True, kw_only=True, tag="finetune"):
    """Fine-tune a pretrained encoder, or adopt a classifier that already knows the data's labels."""

    needs = ()
    makes = "torch"

    model: str | None = None
    """Hub id, folder or word; null for the run's --model"""
    epochs: Count = 3
    """0 leaves the encoder as it was pretrained, and its head at the class centroids"""
    continue_training: bool = False
    """go on training a model that already classifies the data's labels"""
