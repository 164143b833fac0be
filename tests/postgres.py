"""A PostgreSQL server of the tests' own, on a socket in a temporary folder; Debian's package is enough."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

TOLD_TO = "PACKLIGHT_POSTGRES"
"""set by `make test-postgres`: then a server that is missing fails the tests"""


@contextmanager
def server():
    """The URL of a database on a running server."""
    programs = _programs()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        shutil.chown(place, *([_user()] if _user() else [os.getuid()]))
        _run(programs / "initdb", "-D", place / "data", "-U", "packlight", "-A", "trust", "--no-sync")
        settings = f"-c listen_addresses='' -c unix_socket_directories={place} -c fsync=off"
        _run(programs / "pg_ctl", "-D", place / "data", "-w", "-l", place / "log", "-o", settings, "start")
        try:
            yield f"postgresql://packlight@/postgres?host={place}"
        finally:
            _run(programs / "pg_ctl", "-D", place / "data", "-m", "immediate", "stop")


def _programs():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if named := shutil.which("initdb"):
        found.append(Path(named).resolve().parent)
    if not found:
        _missing("no PostgreSQL server: apt-get install postgresql")
    return found[-1]


def _user():
    """Whose server it is: PostgreSQL refuses to run as root."""
    return "postgres" if os.getuid() == 0 else None


def _run(*words):
    before = ["runuser", "-u", _user(), "--"] if _user() else []
    subprocess.run([*before, *map(str, words)], check=True, stdout=subprocess.DEVNULL, cwd="/")


def _missing(reason):
    if TOLD_TO in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


def need_driver():
    """Skip without psycopg, unless it was asked for."""
    try:
        import psycopg  # noqa: F401 - looked for
    except ImportError:
        _missing("psycopg is not installed: make test-postgres")
