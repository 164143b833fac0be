from invented import measurements, row
from invented_run import TRIED
from packlight.analysis.summary import summarise
from packlight.formatting import times_within
from packlight.measure.results import AllThreads
from packlight.report import capacity
from packlight.report.threads import render_threads, sentence
from packlight.report.write import render_report

REQUEST, BATCH = times_within(1.04, (1.01, 1.07)), times_within(1.9, (1.8, 2.0))


def test_the_table_says_which_number_is_better_and_what_the_others_cost():
    doubtful = AllThreads(
        **{name: getattr(TRIED, name) for name in TRIED.__struct_fields__} | {"speedup_ci95": (0.9, 1.3)}
    )
    taken = measurements(row("small", threads=1, all_threads=TRIED), row("b", all_threads=doubtful), row("static"))
    text = render_threads(summarise(taken))
    assert text.startswith("On all 4 threads of this machine")
    assert f"| small | {REQUEST} | 1 thread | {BATCH} | 4 threads | 2.50x |" in text
    assert f"| b | {times_within(1.04, (0.9, 1.3))} | in doubt |" in text
    assert "static" not in text
    assert f"{REQUEST} as fast as on one thread" in sentence(TRIED)


def test_a_report_has_the_section_if_something_was_tried():
    for tried in (TRIED, None):
        page = render_report(
            summarise(measurements(row("small", all_threads=tried))), capacity.render_markdown(()), "advice\n"
        )
        assert ("## One thread or all" in page) is (tried is not None)
