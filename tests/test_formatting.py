import pytest
from hypothesis import given
from hypothesis import strategies as st

from packlight import formatting


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0312, "0.031 ms"),
        (0.357, "0.36 ms"),
        (4.314, "4.31 ms"),
        (12.04, "12.0 ms"),
        (128.4, "128 ms"),
        (1234.5, "1,234 ms"),
    ],
)
def test_milliseconds_have_three_digits(value, text):
    assert formatting.milliseconds(value) == text


def test_no_figure_is_a_dash():
    assert {formatting.percent(None), formatting.times(None), formatting.percent_interval(None)} == {formatting.NONE}


def test_a_difference_that_rounds_to_nothing_has_no_sign():
    assert formatting.points(-0.0003) == "±0.0 points"
    assert formatting.points(-0.019) == "-1.9 points"
    assert formatting.points(0.0012) == "+0.1 points"


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.0, "p=1.00"),
        (0.412, "p=0.41"),
        (0.0499, "p=0.049"),
        (0.0501, "p=0.050"),
        (0.003, "p=0.003"),
        (1e-9, "p<0.001"),
    ],
)
def test_p_values(p, text):
    assert formatting.p_value(p) == text


@given(st.floats(0, 1))
def test_a_p_value_is_never_shown_on_the_wrong_side_of_five_percent(p):
    shown = formatting.p_value(p)
    assert (float(shown.lstrip("p<=")) < 0.05) == (p < 0.05)


def test_money_keeps_what_matters():
    assert [formatting.dollars(amount) for amount in (0.0417, 73.0, 1460.2)] == ["$0.042", "$73.00", "$1,460"]


@pytest.mark.parametrize(("seconds", "said"), [(40, "40 s"), (720, "12 min"), (12_600, "3.5 h")])
def test_a_duration_is_rounded(seconds, said):
    assert formatting.duration(seconds / 3600) == said
