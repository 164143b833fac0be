"""Report each epoch of a training, in the progress output and to callbacks."""

from collections.abc import Callable

from packlight.progress import info
from packlight.steps.training.history import EpochResult

WEAK_SHOWN = 3


def announce(name: str, epoch: EpochResult, on_epoch: Callable[[int, float], object] = lambda *_: None) -> None:
    """Print an epoch's accuracy on val and its weakest classes, then call `on_epoch` with number and accuracy, which may stop the training."""
    weak = ", ".join(f"{label} {accuracy:.0%}" for label, accuracy in epoch.weak_classes[:WEAK_SHOWN])
    info(f"  {name}, epoch {epoch.epoch}: val {epoch.accuracy:.1%}" + (f"; weakest labels: {weak}" if weak else ""))
    on_epoch(epoch.epoch, epoch.accuracy)
