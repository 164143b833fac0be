"""What searches over tiny models start from: the toy texts and the tiny run's teacher."""

import pytest

pytest_plugins = ["tiny_run"]


@pytest.fixture(scope="module")
def teacher(tiny_run):
    return tiny_run / "variants" / "teacher"
