"""The command line in this process: `packlight(*words)` gives its exit status and what it wrote."""

import sys
from typing import NamedTuple

import pytest


class Answer(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def packlight(monkeypatch, capsys):
    """Run a command as a shell would, without the seconds that a new interpreter takes."""
    from packlight.cli import main  # only where it is asked for

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["packlight", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        written = capsys.readouterr()
        return Answer(end.value.code or 0, written.out, written.err)

    return call
