"""Lock files: exclusive or shared, on every platform, freed when the file is closed or its process ends."""

from typing import IO, Any

from packlight.errors import PacklightError


def try_lock(stream: IO[Any], *, shared: bool = False) -> bool:
    """Lock an open file if that is possible at once.

    Args:
        stream: an open file. Two open files lock like two processes, even within one.
        shared: together with others that ask for a shared lock.

    Returns:
        False if somebody else holds a lock that rules this one out.

    Raises:
        PacklightError: if the file system has no locks.
    """
    import portalocker  # it loads asyncio

    kind = portalocker.LockFlags.SHARED if shared else portalocker.LockFlags.EXCLUSIVE
    try:
        portalocker.lock(stream, kind | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked:
        return False
    except (portalocker.LockException, ImportError) as error:
        raise PacklightError(f"{stream.name}: cannot be locked ({error}); use a directory on a local disk") from error
    return True


def unlock(stream: IO[Any]) -> None:
    """Free a lock that this file holds."""
    import portalocker  # it loads asyncio

    portalocker.unlock(stream)
