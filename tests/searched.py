"""What searches over tiny models start from: the toy texts and the tiny run's teacher."""

import pytest

pytest_plugins = ["tiny_run"]


@pytest.fixture(scope="module")
def given_teacher(tiny_run):
    return tiny_run / "variants" / "teacher"
