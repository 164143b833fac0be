"""What the tests of scoring share: an artifact, random texts, tables of them, and the hashes of what comes out.

Put `pytest_plugins = ["lakes"]` at the top of the test file.
"""

import hashlib
import random

import pyarrow as pa
import pytest
from pyarrow import parquet

pytest_plugins = ["frontier_run"]


@pytest.fixture(scope="session")
def static(frontier_run):
    """An artifact that predicts fast; not to be written to."""
    return frontier_run / "variants" / "static-calibrated"


@pytest.fixture(scope="session")
def random_texts(tiny):
    """Number -> texts of one to six words, some of them equal."""
    words = " ".join(tiny.toy_texts()[0]).split()

    def make(number, *, seed=0):
        randomly = random.Random(seed)
        return [" ".join(randomly.choices(words, k=randomly.randint(1, 6))) for _ in range(number)]

    return make


def write_texts(file, texts, *, row_group_size):
    """A Parquet file with the columns `id` and `text`."""
    parquet.write_table(pa.table({"id": range(len(texts)), "text": texts}), file, row_group_size=row_group_size)


def hashes(folder):
    """The hash of each output file, by its path."""
    files = [path for path in folder.rglob("*.*") if not path.name.startswith(("_", "."))]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
