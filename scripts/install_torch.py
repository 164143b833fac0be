"""Install torch as the lock has it: on Linux its CPU build where that can be had, else the default index's build.

    .venv/bin/python scripts/install_torch.py

On Linux the default index has torch with CUDA only: gigabytes, of no use to packlight. The CPU build is taken from what
pip is configured to look at (a mirror, a folder of wheels), or from the PyTorch project's own index if it answers within
seconds. PACKLIGHT_TORCH_INDEX names another index for the CPU build; `default` asks for the default index's build.
"""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SWITCH = "PACKLIGHT_TORCH_INDEX"
PATIENCE_S = 5.0


def main() -> int:
    """Try the sources in turn, and say which one is used."""
    index = os.environ.get(SWITCH, "") or CPU_INDEX
    if sys.platform == "linux" and index != "default":
        if index == CPU_INDEX and install("torch-cpu", quiet=True):
            return done("the CPU build, from where your pip is configured to look")
        trouble = unanswered(index)
        if trouble is None:
            print(f"torch: taking the CPU build from {index}", flush=True)
            return done(f"the CPU build, from {index}") if install("torch-cpu", "--index-url", index) else 1
        if index != CPU_INDEX:
            print(f"torch: {index} does not answer: {trouble}. Correct or unset {SWITCH}.", file=sys.stderr)
            return 1
        print(
            f"torch: {index} does not answer: {trouble}\n"
            "torch: taking the build with CUDA from the default index, several gigabytes. "
            f"Set {SWITCH} to a mirror of the CPU index to avoid this.",
            flush=True,
        )
    return done("the default index's build") if install("torch") else 1


def pinned(name: str) -> str:
    """The version of torch that a file of the lock has."""
    found = re.search(r"^torch==([^\s;\\]+)", (REQUIREMENTS / f"{name}.txt").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"requirements/{name}.txt: holds no line torch==…; write it again with `make lock`")
    return found.group(1)


def install(name: str, *options: str, quiet: bool = False) -> bool:
    """Install a file of the lock; whether that succeeded."""
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    locked = ("--no-deps", "--require-hashes", "--requirement", str(REQUIREMENTS / f"{name}.txt"))
    return subprocess.run([*pip, *locked, *options], check=False, capture_output=quiet).returncode == 0


def unanswered(index: str) -> str | None:
    """Why an index is no use, or None if it lists torch within seconds."""
    try:
        with urllib.request.urlopen(f"{index.rstrip('/')}/torch/", timeout=PATIENCE_S):  # noqa: S310 - the user's own choice
            return None
    except (OSError, ValueError) as trouble:  # URLError is an OSError
        return str(trouble)


def done(what: str) -> int:
    """Say what was installed."""
    print(f"torch: installed {what}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
