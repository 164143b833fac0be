"""Commands as container runtimes start them: a process of its own namespaces, another user, a read-only file system.

`Container.start` runs a command as process 1 of new PID, mount and network namespaces (`unshare`), as a user without
privileges (`setpriv`). It needs root on Linux.
"""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

import packlight

MODELS = "/mnt/models"
"""where the container finds the models; the image has them in /models"""
READ_ONLY = r"""awk '$5 !~ "^/(tmp|proc|sys|dev)" {print $5}' /proc/self/mountinfo | sort -r |
while read -r at; do mount -o bind,remount,ro "$at" 2>/dev/null || true; done"""
PATHS = [Path(sys.base_prefix), Path(sys.prefix), Path(packlight.__file__).parents[1], *map(Path, sys.path)]
"""what the command needs to be able to read"""


@dataclass(kw_only=True)
class Container:
    """How a command is contained."""

    models: Path
    uid: int = 10001
    gid: int = 10001
    scratch: bool = True
    """whether /tmp can be written"""
    network: str = "ip link set lo up"
    """what is done to the network namespace, which begins with a loopback that is down"""
    environment: dict[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def start(self, *words):
        """The running command, which is killed with the block; `.inside` is its process as the host sees it."""
        command = ["unshare", "--mount", "--pid", "--fork", "--net", "sh", "-ec", self.script(words)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}
        )
        try:
            yield Running(process)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children():
                    child.kill()  # with the first process of a PID namespace, all others end
            process.kill()
            process.communicate()

    def run(self, *words, timeout=60):
        """The command's status, output and errors."""
        with self.start(*words) as running:
            out, errors = running.process.communicate(timeout=timeout)
            return running.process.returncode, out, errors

    def script(self, words):
        """What is done in the new namespaces before the command takes their first process over."""
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PATHS[2]), **self.environment}
        user = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
        scratch = "mount -t tmpfs -o mode=1777 tmpfs /tmp" if self.scratch else "mount -o bind,remount,ro /tmp"
        lines = [
            "mount --make-rprivate /",
            "mount -t tmpfs -o mode=755 tmpfs /mnt",
            f"mkdir {MODELS}",
            f"mount --bind {self.models} {MODELS}",
            *_reachable(),
            "mount -t tmpfs -o mode=755 tmpfs /var/tmp" if self.scratch else ":",
            "mount --bind /tmp /tmp",
            scratch,
            # every mount is read-only but the scratch folder
            READ_ONLY,
            "! touch /root/here /usr/here 2>/dev/null",
            "mount -t proc proc /proc",
            self.network,
            "cd /",
            shlex.join(["exec", "setpriv", *user, "env", "-i", *_pairs(environment), *words]),
        ]
        return "\n".join(lines)


@dataclass
class Running:
    """A contained command."""

    process: subprocess.Popen

    @property
    def inside(self):
        """The first process of the namespaces, once it is Python."""
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(self.process.pid).children():
                    if Path(child.exe()).name.startswith("python"):
                        return child
            time.sleep(0.005)
        raise AssertionError(self.process.communicate()[1])

    def ask(self, code, **environment):
        """Run Python code in the same namespaces; its status, output and errors."""
        enter = ["nsenter", f"--target={self.inside.pid}", "--net", "--mount"]
        command = [*enter, "env", *_pairs(environment), sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def until_ready(self, url, seconds=60):
        """Wait for readiness at a URL such as http://127.0.0.1:8080."""
        code = (
            "import time, urllib.request as r\n"
            "opener = r.build_opener(r.ProxyHandler({}))\n"
            f"end = time.monotonic() + {seconds}\n"
            "while True:\n"
            f"    try: opener.open({url!r} + '/v2/health/ready', timeout=5).read(); break\n"
            "    except OSError:\n"
            "        if time.monotonic() > end: raise\n"
            "        time.sleep(0.1)\n"
        )
        asked = self.ask(code)
        assert asked.returncode == 0, (asked.stderr, self.process.poll())

    def predict(self, url, text):
        """The label of a text, asked of the server."""
        code = (
            "import json, urllib.request as r\n"
            f"body = json.dumps({{'text': {text!r}}}).encode()\n"
            f"print(r.build_opener(r.ProxyHandler({{}})).open({url!r} + '/predict', body, timeout=30).read().decode())\n"
        )
        return json.loads(self.ask(code).stdout)["label"]


def _pairs(environment):
    return [f"{name}={value}" for name, value in environment.items()]


def _reachable():
    """Mounts that let any user enter the folders above Python and packlight, such as /root, with nothing else in them."""
    needed = {Path(path) for path in (*PATHS, sysconfig.get_paths()["purelib"]) if Path(path).is_dir()}
    closed = {}
    for path in sorted(needed):
        above = next((each for each in reversed(path.parents) if not each.stat().st_mode & 0o001), None)
        if above is not None:
            closed.setdefault(above, []).append(path)
    lines = []
    for number, (above, paths) in enumerate(closed.items()):
        outer = [path for path in paths if not any(other in path.parents for other in paths)]
        for place, path in enumerate(outer):
            lines += [f"mkdir /mnt/{number}-{place}", f"mount --bind {path} /mnt/{number}-{place}"]
        lines.append(f"mount -t tmpfs -o mode=755 tmpfs {above}")
        for place, path in enumerate(outer):
            lines += [f"mkdir -p {path}", f"mount --move /mnt/{number}-{place} {path}"]
    return lines
