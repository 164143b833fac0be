"""A MariaDB server of the tests' own, on a socket in a temporary folder; Debian's package is enough."""

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

TOLD_TO = "PACKLIGHT_MARIADB"
"""set by `make test-mariadb`: then a server that is missing fails the tests"""
PATIENCE = 60
"""seconds until the server must be up"""


@contextmanager
def server():
    """The URL of a database on a running server."""
    if shutil.which("mariadbd") is None:
        missing("no MariaDB server: apt-get install mariadb-server")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        user = ["--user=root"] if os.getuid() == 0 else []
        common = ["--no-defaults", f"--datadir={place / 'data'}", *user]
        subprocess.run(
            ["mariadb-install-db", *common, "--auth-root-authentication-method=normal"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        socket = place / "socket"
        running = subprocess.Popen(
            ["mariadbd", *common, f"--socket={socket}", "--skip-networking"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(socket, running)
            subprocess.run(
                ["mariadb", "--no-defaults", f"--socket={socket}", "--user=root", "-e", "CREATE DATABASE search"],
                check=True,
            )
            yield f"mariadb+pymysql://root@/search?unix_socket={socket}"
        finally:
            running.kill()
            running.wait()


def need_driver():
    """Skip without PyMySQL, unless it was asked for."""
    try:
        import pymysql  # noqa: F401 - looked for
    except ImportError:
        missing("PyMySQL is not installed: make test-mariadb")


def missing(reason):
    if TOLD_TO in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


def _wait_for(socket, running):
    began = time.monotonic()
    while not socket.exists():
        if running.poll() is not None or time.monotonic() - began > PATIENCE:
            pytest.fail("the MariaDB server did not start")
        time.sleep(0.1)
