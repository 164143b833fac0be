import pytest

from packlight.analysis.capacity import default_prices, default_prices_text, read_prices
from packlight.errors import PacklightError

GOOD = """
hours_per_month: 720
reserved_memory_gb: 1
machines:
  - {name: box, vcpus: 4, memory_gb: 16, usd_per_hour: 0.5}
"""


def written(folder, text):
    path = folder / "prices.yaml"
    path.write_text(text)
    return path


def test_a_table_is_read(tmp_path):
    table = read_prices(written(tmp_path, GOOD))
    assert table.hours_per_month == 720
    assert table.machines[0].vcpus == 4


def test_the_shipped_table_says_that_it_is_an_example(tmp_path):
    assert read_prices(written(tmp_path, default_prices_text())) == default_prices()
    assert all("example" in machine.notes for machine in default_prices().machines)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("vcpus: 4", "cpus: 4", r"machine 1: there is no key 'cpus' \(did you mean 'vcpus'\?\)"),
        ("hours_per_month: 720", "hours: 720", "there is no key 'hours'"),
        ("hours_per_month: 720", "hours_per_month: no", "hours_per_month is 'no', but must be a number above 0"),
        ("hours_per_month: 720\n", "", "hours_per_month is missing; it must be a number above 0"),
        ("usd_per_hour: 0.5", "usd_per_hour: -1", "machine 1: usd_per_hour is -1, but must be a number above 0"),
        ("vcpus: 4", "vcpus: four", "machine 1: vcpus is 'four', but must be a whole number of at least 1"),
        ("{name: box, vcpus: 4, memory_gb: 16, usd_per_hour: 0.5}", "box", "machine 1 is 'box', but must be a mapping"),
        ("machines:\n", "machines: []\nmore:\n", "there is no key 'more'"),
        ("name: box", "name: ''", "machine 1: name is '', but must be text that is not empty"),
        (GOOD, "[1]", r"but this is \[1\]"),
        ("machines:", "machines: [", "not a price table"),
        ("  - {name", "  - {name: box, vcpus: 1, memory_gb: 1, usd_per_hour: 1}\n  - {name", "'box' is listed twice"),
    ],
)
def test_a_wrong_table_is_refused_by_name(tmp_path, old, new, words):
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(PacklightError, match=words) as caught:
        read_prices(path)
    assert str(path) in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(PacklightError, match=r"none\.yaml: cannot read"):
        read_prices(tmp_path / "none.yaml")
