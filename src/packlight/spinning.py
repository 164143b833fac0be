"""How long a waiting thread of PyTorch spins before it sleeps.

With PyTorch's Linux builds, threads that wait for each other burn CPU time for milliseconds: harmless on an idle machine, but on a busy one they
take the processor from the very thread that they wait for. Figures: docs/decisions/0033-threads-that-wait-sleep.md.
"""

import os

VARIABLE = "GOMP_SPINCOUNT"
"""read once, when GNU's OpenMP is loaded, which PyTorch brings on Linux"""
SPINS = "5000"
"""about 10 microseconds; the default is 300,000"""


def limit_spinning() -> None:
    """Let threads that wait sleep soon, unless the user has chosen how they wait."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault(VARIABLE, SPINS)
