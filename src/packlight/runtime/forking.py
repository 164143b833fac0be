"""ONNX Runtime in a child of `os.fork`, such as a worker of gunicorn with `--preload`.

A child has none of its parent's threads. ONNX Runtime doesn't know that. A session of several threads waits for them when
it runs, and destroying it can crash. The exit handlers of version 1.32 wait for the thread that sends usage reports, if
onnxruntime was imported before packlight could switch that off. So in a child:

- an engine opens a session of its own before it runs (`generation` tells it to),
- inherited sessions are never destroyed,
- the process ends without the exit handlers of C libraries where the C library is glibc. Python's own have run by then.
"""

import contextlib
import ctypes
import os
from typing import Any
from weakref import WeakSet

_sessions: "WeakSet[Any]" = WeakSet()
_generation = 0
_registered = False


def keep(session: Any) -> None:
    """Remember a session, which a child must not destroy."""
    global _registered  # noqa: PLW0603 - Python has no way to take the hook back
    if not _registered and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_in_child)
        _registered = True
    _sessions.add(session)


def generation() -> int:
    """The number of forks between this process and the one that imported packlight. It tells the two apart."""
    return _generation


def _in_child() -> None:
    global _generation  # noqa: PLW0603 - it belongs to the process
    _generation += 1
    if not _sessions:
        return
    for session in list(_sessions):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
    _sessions.clear()
    with contextlib.suppress(OSError, AttributeError):  # other C libraries have no on_exit
        libc = ctypes.CDLL(None)
        libc.on_exit(libc._exit, None)  # noqa: SLF001 - the name of a function of C
