import pytest

from packlight.analysis.engine_selection import Row, allowed, choose
from packlight.errors import MeasurementError


def row(name, ratio, accuracy):
    return Row(name=name, engine="torch", precision="fp32", latency_ms=1.0, speedup=ratio, val_accuracy=accuracy)


MISSING = Row(name="missing", engine="openvino", precision="int8", note="not installed")
FIELD = (row("eager", 1.0, 0.950), row("good", 4.0, 0.945), row("fast", 9.0, 0.940), MISSING)


@pytest.mark.parametrize(("loss", "winner"), [(0.0, "eager"), (0.005, "good"), (0.01, "fast"), (0.5, "fast")])
def test_the_fastest_within_the_loss_wins(loss, winner):
    assert choose(FIELD, loss).name == winner


def test_the_loss_counts_from_the_most_accurate_and_not_from_the_first():
    better = (*FIELD, row("better", 2.0, 0.960))
    assert [each.name for each in allowed(better, 0.012)] == ["eager", "better"]
    assert choose(better, 0.012).name == "better"


def test_of_equally_fast_ones_the_more_accurate_wins():
    assert choose((row("a", 2.0, 0.9), row("b", 2.0, 0.91)), 0.05).name == "b"


def test_without_anyone_who_ran_there_is_no_winner():
    with pytest.raises(MeasurementError, match="the notes of the rows say why"):
        choose((MISSING,), 0.005)
