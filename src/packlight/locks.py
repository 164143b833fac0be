"""Lock files: exclusive or shared, on every platform, released when the file is closed or its process ends."""

from typing import IO, Any

from packlight.errors import PacklightError


def try_lock(stream: IO[Any], *, shared: bool = False) -> bool:
    """Try to lock an open file, without waiting.

    Args:
        stream: an open file. Two open files count as two lock holders, even within one process.
        shared: share the lock with others that request a shared lock.

    Returns:
        False if another holder has a conflicting lock.

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
    """Release a lock that this file holds."""
    import portalocker  # it loads asyncio

    portalocker.unlock(stream)
