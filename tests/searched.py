"""What searches over tiny models start from: the toy texts and the tiny run's teacher."""

import pytest

from packlight.data import dataset_from_rows

pytest_plugins = ["tiny_run"]


@pytest.fixture(scope="module")
def data(tiny):
    return dataset_from_rows(list(zip(*tiny.toy_texts(), strict=True)), source="tiny")


@pytest.fixture(scope="module")
def teacher(tiny_run):
    return tiny_run / "variants" / "teacher"
