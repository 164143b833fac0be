"""The drain flag: one byte in a file that every process of a server maps, so that reading it costs nothing."""

import mmap
from pathlib import Path

FILE = "draining"


class DrainFlag:
    """Whether the server is on its way out."""

    def __init__(self, runtime: Path) -> None:
        """Map the flag in the server's shared folder, lowered when it is new."""
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
        """From now on readiness fails in every worker."""
        self._byte[0] = 1
