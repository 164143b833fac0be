"""A command under strace, in a home of its own: whom it contacts, which names it looks up, which files it leaves."""

import ipaddress
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from packlight.cli import CACHES
from packlight.telemetry import RAY_SWITCH, SWITCHES

CALLS = (
    "connect,sendto,sendmsg,sendmmsg,"
    "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
)
_ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"([^"]*)"')
_MAKES = re.compile(r"^\d+ +(?:creat|mkdir|mknod|rename|link|symlink)|O_CREAT")
CI = (
    *("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS", "JENKINS_URL", "CODEBUILD_BUILD_ID"),
    *("BUILDKITE", "APPVEYOR", "TEAMCITY_VERSION", "BITBUCKET_BUILD_NUMBER"),
)
"""by which onnxruntime 1.32 knows a build server, where it reports nothing whatever packlight does"""
RESOLVERS = ("/etc/resolv.conf", "io.systemd.Resolve")
DNS = 53
WITHOUT_SWITCH = """
import sys, types
stub = types.ModuleType("packlight.telemetry")
stub.SWITCHES, stub.switch_off = {}, lambda: None
sys.modules[stub.__name__] = stub
"""
"""a sitecustomize module, which every Python process loads at its start"""


class Seen(NamedTuple):
    """What a command did."""

    status: int
    said: str
    contacts: set[str]
    """addresses that are not of this machine"""
    lookups: set[str]
    """signs of a name that is looked up"""
    files: set[str]
    """that it made and left, outside the folders that it may write to"""


@cache
def why_not():
    """Why nothing can be watched here; empty where it can."""
    if shutil.which("strace") is None:
        return "needs strace (Debian: apt-get install strace)"
    tried = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-o", os.devnull, "-e", "trace=connect", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()}"


class Watched:
    """A command that runs; `end` waits for it."""

    def __init__(self, folder: Path, *words: object, may_write: tuple[str, ...] = (), switch: bool = True) -> None:
        """Start `python WORDS…` in `folder/work`.

        Args:
            folder: made here; the command's home, temporary folder and working directory are in it.
            words: of the command, after the interpreter.
            may_write: folders in the working directory whose files are expected; packlight's cache always is.
            switch: whether `packlight.telemetry` does its work.
        """
        home, scratch, self.work = (folder / name for name in ("home", "scratch", "work"))
        for each in (home, scratch, self.work):
            each.mkdir(parents=True)
        self._allowed = (home / ".cache" / "packlight", *(self.work / name for name in may_write))
        self._trace = folder / "trace"
        dropped = (
            *SWITCHES,
            *RAY_SWITCH,
            *CI,
            *CACHES,
            "PACKLIGHT_CACHE",
            "XDG_CACHE_HOME",
            "XDG_CONFIG_HOME",
            "HF_HOME",
            "HF_HUB_OFFLINE",
        )
        environment = {name: value for name, value in os.environ.items() if name not in dropped}
        environment |= {"HOME": str(home), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= {"OMP_NUM_THREADS": "1", "CXX": "no-such-compiler"}
        if not switch:
            (folder / "sitecustomize.py").write_text(WITHOUT_SWITCH)
            environment["PYTHONPATH"] = str(folder)
        self._process = subprocess.Popen(
            [
                *("strace", "-f", "-y", "-qq", "--seccomp-bpf", "-e", f"trace={CALLS}", "-e", "signal=none"),
                *("-o", str(self._trace), "--", sys.executable, *map(str, words)),
            ],
            cwd=self.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self) -> Seen:
        """Wait for the command, and read what was seen."""
        said, _ = self._process.communicate(timeout=300)
        contacts, lookups, files = set(), set(), set()
        for line in self._trace.read_text(errors="replace").splitlines():
            for port, address in _ADDRESS.findall(line):
                if not ipaddress.ip_address(address).is_loopback:
                    contacts.add(f"{address}:{port}")
                if int(port) == DNS:
                    lookups.add(line)
            if any(each in line for each in RESOLVERS):
                lookups.add(line)
            if _MAKES.search(line):
                files.update(self._left(line))
        return Seen(self._process.returncode, said, contacts, lookups, files)

    def _left(self, line: str) -> set[str]:
        """The files of one call that are still there and should not be."""
        paths = (Path(base or self.work, name) for base, name in _PATH.findall(line))
        return {
            str(path)
            for path in paths
            if path.exists()
            and not any(path.is_relative_to(each) for each in (*self._allowed, "/dev", "/proc"))
            and not any(each.is_relative_to(path) for each in self._allowed)
        }
