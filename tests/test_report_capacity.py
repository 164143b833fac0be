from invented import measurements, row
from packlight.analysis.capacity import plan_all
from packlight.measure.results import AllThreads
from packlight.report.capacity import render_markdown, render_text

FOUR_THREADS = AllThreads(
    threads=4,
    speedup=3.0,
    speedup_ci95=(2.9, 3.1),
    batch_speedup=1.0,
    batch_speedup_ci95=(1.0, 1.0),
    cpu_ratio=1.5,
    rounds=5,
)

NARROW = """\
100 requests per second, utilisation up to 70.0%

 variant              latency   workers       p99       machines   per month
 ───────────────────────────────────────────────────────────────────────────
 bert-base            52.7 ms         8    118 ms     2 x lean-8     $248.20
 distilbert           30.2 ms         5   77.5 ms    5 x small-2     $182.50
 teacher              12.0 ms         2   58.8 ms   1 x medium-4      $73.00
 student              6.40 ms         1   64.5 ms    1 x small-2      $36.50
 student-torch-int8   3.10 ms         1   15.7 ms    1 x small-2      $36.50
 student-onnx         1.90 ms         1   7.67 ms    1 x small-2      $36.50
 student-onnx-int8    0.71 ms         1   2.04 ms    1 x small-2      $36.50
 teacher-onnx-int8    1.40 ms         1   5.05 ms    1 x small-2      $36.50

latency: one text, without a wait; p99: with the wait in the queue (M/G/c).
Prices are examples unless you gave your own with --prices.
Without raw samples, the spread of the latency is estimated from its
percentiles, on the slow side.
"""


def test_the_narrow_table_fits_80_columns():
    text = render_text(plan_all(measurements(), 100))
    assert text == NARROW
    assert max(map(len, text.splitlines())) <= 80


def test_the_wide_table_shows_how_the_figures_come_about():
    text = render_text(plan_all(measurements(), 2500, p99_ms=20), width=128)
    assert "memory per worker" in text
    assert "! 105 ms" in text
    assert "bert-base, distilbert, teacher: slower than the p99 limit even without a wait" in text
    assert max(map(len, text.splitlines())) <= 128


def test_markdown_has_every_row_and_says_what_fits_nowhere():
    text = render_markdown(plan_all(measurements(row("huge", threads=64), row("a|b")), 2.5))
    assert text.startswith("2.50 requests per second")
    assert "a\\|b" in text
    assert "huge: a worker needs more cores or memory" in text


def test_workers_of_all_threads_come_with_the_servers_option():
    large = row("large", ms=40.0, threads=1, all_threads=FOUR_THREADS)
    text = render_markdown(plan_all(measurements(large, row("small", threads=1)), 10, p99_ms=50))
    assert "large: workers of 4 threads (`packlight serve --threads 4`)" in text
    assert text.count("workers of 4") == 1


def test_threads_that_only_the_p99_needs_are_not_said_to_save_cores():
    slow = measurements(row("slow", ms=40.0, threads=1, all_threads=FOUR_THREADS))  # on one thread, its p99 is 80 ms
    (one,), (every,) = plan_all(slow, 10), plan_all(slow, 10, p99_ms=50)
    assert one.workers * one.threads < every.workers * every.threads
    assert "fewer cores are enough" not in render_markdown([every])
    assert "because workers of fewer threads need more cores or miss the p99." in render_markdown([every])


def test_nothing_to_plan_says_so():
    assert render_text(()).startswith("no variants")
