import pytest

from shown import difference

PRINTED = """
╭──────────────────┬────────╮
│ ● student-static │ 0.31 ms│
╰──────────────────┴────────╯
Ship student-static: 132x as fast, 94.3% against 94.6%.
Not teacher: 1,200 MB.
"""


@pytest.mark.parametrize(
    "shown",
    [
        PRINTED,
        "student-static 7.25 ms\nShip student-static: 4x as fast, 81% against 90.0%.\nNot teacher: 3 MB.",
        "…\nNot teacher: 1 MB.",
        "student-static 1 ms\n…",
        "student-static … ms\n…\nNot … MB.",
        "…",
    ],
)
def test_figures_marks_and_rules_may_differ(shown):
    assert difference(shown, PRINTED) is None


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("student-static 0.31 ms", "also printed 'Ship"),
        (PRINTED + "And more.", "'no more'"),
        (PRINTED.replace("Ship student-static", "Ship teacher"), "shows 'Ship teacher: 0x"),
        (PRINTED.replace("Not", "Never"), "shows 'Never teacher"),
        ("…\nNot teacher: 1 MB.\nShip student-static: 1x as fast, 1% against 1%.", "shows 'Ship"),
        ("", "also printed"),
        ("student-static 1 s\n…", "shows 'student-static 0 s'"),
    ],
)
def test_words_names_and_their_order_may_not(shown, said):
    assert said in difference(shown, PRINTED)
