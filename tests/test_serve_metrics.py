"""What a server counts, over all its workers."""

import os
import re

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from packlight.serve.metrics import SECONDS, Histogram, Metrics, Snapshot
from pages import ROOT


def samples(metrics):
    """Every sample of the text form, by name and labels."""
    families = text_string_to_metric_families(metrics.expose().decode())
    return {(each.name, *sorted(each.labels.items())): each.value for family in families for each in family.samples}


@pytest.fixture
def folder(tmp_path):
    """The shared folder, in which another worker left its snapshot; gives a way to say which process that was."""

    def left_by(pid):
        other = Metrics(tmp_path)
        other.requests["infer", 200] += 5
        other.loads["intent", "loaded"] += 1
        other.infer.observe(2e-3)
        other.batch.observe(3)
        other.queued, other.taken = 4, 5
        other.share()
        (own,) = tmp_path.glob("*.json")
        snapshot = msgspec.json.decode(own.read_bytes(), type=Snapshot)
        own.unlink()
        (tmp_path / f"{pid}.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(snapshot, pid=pid)))
        return tmp_path

    return left_by


def test_a_bound_belongs_to_the_bucket_below_it():
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.observe(value)
    assert (histogram.counts, histogram.total) == ([2, 2, 1], 14.0)


def test_counts_are_of_all_workers(folder):
    metrics = Metrics(folder(os.getppid()))
    metrics.requests["infer", 200] += 2
    metrics.requests["infer", 429] += 1
    metrics.infer.observe(1e-3)
    metrics.taken = 3
    found = samples(metrics)
    assert found["packlight_requests_total", ("route", "infer"), ("status", "200")] == 7
    assert found["packlight_requests_total", ("route", "infer"), ("status", "429")] == 1
    assert found["packlight_model_loads_total", ("model", "intent"), ("outcome", "loaded")] == 1
    assert found["packlight_infer_duration_seconds_sum",] == pytest.approx(3e-3)
    assert found["packlight_infer_duration_seconds_count",] == 2
    below = [found["packlight_infer_duration_seconds_bucket", ("le", str(float(bound)))] for bound in SECONDS]
    assert below == [(bound >= 1e-3) + (bound >= 2e-3) for bound in SECONDS]
    assert found["packlight_queue_texts",] == 4
    assert found["packlight_worker_requests", ("pid", str(os.getpid()))] == 3
    assert found["packlight_worker_requests", ("pid", str(os.getppid()))] == 5


def test_the_reference_names_every_metric(folder):
    page = (ROOT / "docs" / "reference" / "server.md").read_text(encoding="utf-8")
    named = re.findall(r"`(packlight_\w+?)(?:_total)?(?:\{[\w,]+\})?`", page.partition("## Metrics")[2])
    exposed = {each.name for each in text_string_to_metric_families(Metrics(folder(1)).expose().decode())}
    assert exposed == set(named)


def test_of_a_dead_worker_only_the_counts_remain(folder):
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    found = samples(Metrics(folder(gone)))
    assert found["packlight_requests_total", ("route", "infer"), ("status", "200")] == 5
    assert found["packlight_queue_texts",] == 0
    assert not [key for key in found if ("pid", str(gone)) in key]


def test_a_worker_by_itself_shares_nothing():
    metrics = Metrics()
    metrics.requests["infer", 200] += 1
    assert samples(metrics)["packlight_requests_total", ("route", "infer"), ("status", "200")] == 1


def test_a_disk_that_takes_nothing_leaves_the_metrics_of_one_worker(tmp_path):
    metrics = Metrics(tmp_path / "gone")
    metrics.requests["infer", 200] += 1
    metrics.share()
    assert samples(metrics)["packlight_requests_total", ("route", "infer"), ("status", "200")] == 1
