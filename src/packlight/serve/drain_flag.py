"""The drain flag: a byte in a file that every process of a server maps, so that reading it is free."""

import mmap
from pathlib import Path

FILE = "draining"


class DrainFlag:
    """Whether the server is shutting down."""

    def __init__(self, runtime: Path) -> None:
        """Map the flag in the server's shared folder. A new flag is unset."""
        path = runtime / FILE
        with path.open("a+b") as stream:
            if stream.seek(0, 2) == 0:
                stream.write(b"\0")
                stream.flush()
            self._byte = mmap.mmap(stream.fileno(), 1)

    @property
    def raised(self) -> bool:
        """Whether readiness must fail."""
        return self._byte[0] != 0

    def raise_(self) -> None:
        """Set the flag, so that readiness fails in every worker."""
        self._byte[0] = 1
