import os
import subprocess
import sys

import numpy as np
import psutil
import pytest

from packlight.measure import environment
from packlight.measure.environment import describe, library_versions
from packlight.runtime import processor
from packlight.runtime.processor import cpu_budget, has_vnni


@pytest.fixture
def processors(monkeypatch):
    """Eight processors, whatever the machine has."""
    monkeypatch.setattr(processor, "allowed_cpus", lambda: list(range(8)))


def budget(folder, membership=""):
    (folder / "membership").write_text(membership)
    return cpu_budget(folder, folder / "membership")


def version_2(group, limit):
    group.mkdir(parents=True, exist_ok=True)
    (group / "cpu.max").write_text(f"{limit} 100000\n")


def version_1(group, limit):
    group.mkdir(parents=True, exist_ok=True)
    (group / "cpu.cfs_quota_us").write_text(f"{limit}\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize(
    ("limit", "expected"), [("max", 8), ("200000", 2), ("150000", 2), ("20000", 1), ("9900000", 8)]
)
def test_version_2_quota_bounds_the_budget(tmp_path, limit, expected):
    version_2(tmp_path, limit)
    assert budget(tmp_path) == expected


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize(("limit", "expected"), [("-1", 8), ("300000", 3), ("50000", 1)])
def test_version_1_quota_bounds_the_budget(tmp_path, limit, expected):
    version_1(tmp_path / "cpu", limit)
    assert budget(tmp_path) == expected


@pytest.mark.usefixtures("processors")
def test_the_quota_of_any_group_above_holds(tmp_path):
    version_2(tmp_path / "system.slice" / "web.service", "max")
    version_2(tmp_path / "system.slice", "400000")
    assert budget(tmp_path, "0::/system.slice/web.service\n") == 4
    version_2(tmp_path / "system.slice" / "web.service", "100000")
    assert budget(tmp_path, "0::/system.slice/web.service\n") == 1
    assert budget(tmp_path, "0::/elsewhere\n") == 8


@pytest.mark.usefixtures("processors")
def test_the_group_of_version_1_is_found_among_the_controllers(tmp_path):
    version_1(tmp_path / "cpu" / "docker" / "abc", "250000")
    assert budget(tmp_path, "5:memory:/other\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n") == 3
    assert budget(tmp_path, "5:memory:/docker/abc\n") == 8


@pytest.mark.usefixtures("processors")
def test_without_control_groups_the_cpu_set_counts(tmp_path):
    assert cpu_budget(tmp_path / "nowhere", tmp_path / "nothing") == 8


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize("content", ["", "max", "a b", "-5 100000", "100000 0"])
def test_a_strange_quota_is_no_error(tmp_path, content):
    (tmp_path / "cpu.max").write_text(content)
    assert budget(tmp_path) == 8


def test_the_cpu_set_bounds_the_quota(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "allowed_cpus", lambda: [3])
    version_2(tmp_path, "400000")
    assert budget(tmp_path) == 1


def test_where_there_is_no_cpu_set_all_processors_count(monkeypatch, tmp_path):
    monkeypatch.delattr(psutil.Process, "cpu_affinity")  # as on macOS
    assert processor.allowed_cpus() is None
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert budget(tmp_path) == 6


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be bound here")
def test_a_process_is_bound_to_processors():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        first = processor.allowed_cpus()[:1]
        processor.bind_process(process.pid, first)
        assert sorted(os.sched_getaffinity(process.pid)) == first
        processor.bind_process(process.pid, None)
        assert sorted(os.sched_getaffinity(process.pid)) == first
        process.stdin.close()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["flags\t\t: fpu avx2 avx512_vnni"], True),
        (["flags\t\t: fpu avx_vnni"], True),
        (["flags\t\t: fpu avx2 avx512f"], False),
        (["Features\t: fp asimd asimddp"], True),
        ([], False),
    ],
)
def test_vnni_is_read_from_the_processor(monkeypatch, lines, expected):
    monkeypatch.setattr(processor, "_cpuinfo", lambda: lines)
    monkeypatch.setattr(environment.platform, "machine", lambda: "x86_64")
    processor.cpu_flags.cache_clear()
    assert has_vnni() is expected
    processor.cpu_flags.cache_clear()


def test_the_environment_is_described():
    found = describe(threads=3)
    assert found.cpu_budget == 3
    assert found.cpu
    assert found.memory_gb > 0
    assert found.libraries["numpy"] == np.__version__
    assert describe().cpu_budget == cpu_budget()


def test_libraries_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr(environment, "LIBRARIES", ("numpy", "no-such-library"))
    assert {"numpy", "torch", "onnxruntime"} <= set(library_versions())
    assert "no-such-library" not in library_versions()
