"""Addresses that a server listens on.

On TCP, each worker binds the port with SO_REUSEPORT, so that the system spreads connections over them, and a dying
worker doesn't affect others' connections. A Unix socket is bound once, and all workers accept from it.
"""

import errno
import os
import socket
import stat
from pathlib import Path

from packlight.errors import PacklightError
from packlight.serve.settings import Settings

EVERYWHERE_V6, EVERYWHERE_V4 = "::", "0.0.0.0"  # noqa: S104 - only where --host says so
NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
LONGEST_UDS = 100
"""maximum length of a Unix socket's path in bytes; systems allow 104 to 108"""
UDS_MODE = 0o666
"""anyone who can enter the folder can connect, such as a proxy of another user"""


def bind(host: str, port: int) -> socket.socket:
    """A socket of this process's own on a port that the workers share.

    `::` listens on IPv6 and IPv4, and on IPv4 alone if the system has no IPv6.

    Raises:
        OSError: if the address is not available.
    """
    try:
        return _bind(host, port)
    except OSError as error:
        if host != EVERYWHERE_V6 or error.errno not in NO_IPV6:
            raise
    return _bind(EVERYWHERE_V4, port)


def check_address(host: str, port: int) -> None:
    """Check that the port is free. Workers share it, and would otherwise share it with another server.

    Raises:
        PacklightError: if the port is taken or the address is not this machine's.
    """
    try:
        family, address = _resolved(host, port)
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _take_both(probe, host)
            probe.bind(address)
    except OSError as error:
        if host == EVERYWHERE_V6 and error.errno in NO_IPV6:
            check_address(EVERYWHERE_V4, port)
            return
        if error.errno == errno.EADDRINUSE:
            raise PacklightError(f"port {port} of {host} is taken; choose another with --port") from error
        raise PacklightError(f"cannot listen on {host} port {port}: {error.strerror}") from error


def bind_uds(path: str) -> socket.socket:
    """The Unix socket that all workers accept from. A socket left behind by a killed server is replaced.

    Raises:
        PacklightError: if the path is too long, is taken, or cannot be written.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise PacklightError("--uds needs a system with Unix sockets; use --host and --port")
    if len(os.fsencode(path)) > LONGEST_UDS:
        raise PacklightError(
            f"--uds {path}: is longer than {LONGEST_UDS} bytes, which no system accepts; choose a shorter path"
        )
    _remove_abandoned(path)
    own = socket.socket(socket.AF_UNIX)
    try:
        own.bind(path)
        Path(path).chmod(UDS_MODE)
    except OSError as error:
        own.close()
        raise PacklightError(
            f"--uds {path}: cannot be made ({error.strerror}); choose a path in a folder of yours"
        ) from error
    return own


def written(settings: Settings) -> str:
    """The server's address as a URL."""
    if settings.uds is not None:
        return f"unix:{settings.uds}"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _bind(host: str, port: int) -> socket.socket:
    family, address = _resolved(host, port)
    own = socket.socket(family)
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _take_both(own, host)
        own.bind(address)
    except OSError:
        own.close()
        raise
    return own


def _resolved(host: str, port: int) -> tuple[int, tuple[str, int]]:
    """Family and address of a host, IPv4 if it has both.

    Raises:
        OSError: if it cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, address  # type: ignore[return-value] # IPv6 has two numbers more


def _take_both(own: socket.socket, host: str) -> None:
    """Make `::` include IPv4, whatever the system's default."""
    if host == EVERYWHERE_V6 and own.family == socket.AF_INET6:
        own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)


def _remove_abandoned(path: str) -> None:
    try:
        mode = Path(path).lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise PacklightError(f"--uds {path}: exists but is not a socket; remove it or choose another path")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            Path(path).unlink(missing_ok=True)
        else:
            raise PacklightError(f"--uds {path}: another server listens there; choose another path")
