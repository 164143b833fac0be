import itertools
import json
import random
import shlex

import msgspec
import pytest
from typer.testing import CliRunner

import invented_run
from invented import RANDOM, measurements, row
from invented_run import ENDING, HOSTILE
from packlight import formatting
from packlight.analysis.capacity import plan
from packlight.analysis.recommend import PROFILES, Constraints, recommend
from packlight.analysis.summary import pareto_front
from packlight.cli import app
from packlight.measure.results import (
    AllThreads,
    correct_by_variant,
    read_measurements,
    read_raw,
    read_truth,
    samples_of,
    write_measurements,
)
from packlight.report.html import write_html

pytestmark = pytest.mark.browser

SIZES = {"phone": (390, 844), "laptop": (1280, 800), "wide": (1920, 1080)}
BUBBLES = "#chart-bubbles g.mark-symbol.bubbles path"


@pytest.fixture(scope="module")
def taken(folder):
    return read_measurements(folder)


@pytest.fixture(scope="module")
def right(folder, taken):
    raws = [read_raw(folder, row.variant) for row in taken.measurements]
    return correct_by_variant(raws, read_truth(folder, taken.chosen_on))


def slide(page, name, place):
    page.locator(f"#{name}").fill(str(place))


def settle(page):
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")


def test_every_chart_is_drawn(page):
    for name in ("bubbles", "latency", "accuracy", "scope", "coverage", "learning", "lineage-0"):
        assert page.locator(f"#chart-{name} svg").count() == 1, name
    assert page.locator(BUBBLES).count() == 6
    assert page.locator("#chart-bubbles g.mark-symbol.bare-bubbles path").count() == 1


CROWD = (
    # name, parent, step, engine, milliseconds, accuracy, MB: as close together as a search makes them
    ("teacher", None, "finetune", "torch", 6.3, 0.89, 90.9),
    ("teacher-calibrated", "teacher", "calibrate", "torch", 6.67, 0.94, 90.9),
    ("balanced-fp32", "teacher", "distill", "torch", 3.6, 0.934, 43.0),
    ("balanced-onnx", "balanced-fp32", "export", "onnxruntime", 0.74, 0.934, 40.0),
    ("balanced", "balanced-onnx", "quantize-onnx", "onnxruntime", 0.31, 0.933, 11.0),
    ("balanced-int4-embeddings", "balanced-onnx", "quantize-onnx", "onnxruntime", 0.32, 0.932, 8.0),
    ("small-fp32", "teacher", "distill", "torch", 1.84, 0.916, 30.0),
    ("small-onnx", "small-fp32", "export", "onnxruntime", 0.305, 0.916, 28.0),
    ("small", "small-onnx", "quantize-onnx", "onnxruntime", 0.24, 0.913, 8.0),
    ("static", "teacher", "distill-static", "static", 0.03, 0.91, 8.0),
    ("cascade", "balanced", "cascade", "cascade", 0.11, 0.925, 15.0),
)
TEXTS = """() => {
    const chart = document.querySelector("#chart-bubbles svg");
    const seen = (each) => each.textContent && getComputedStyle(each).opacity !== "0";
    const box = ({ left, right, top, bottom }) => ({ left, right, top, bottom });
    const inside = (each) => ({ text: each.textContent, ...box(each.getBoundingClientRect()) });
    const halos = new Set(chart.querySelectorAll("g.names text"));
    const all = [...chart.querySelectorAll("text")].filter((each) => seen(each) && !halos.has(each));
    return [box(chart.getBoundingClientRect()), all.map(inside)];
}"""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowd")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(invented_run, "STEPS", CROWD)
        invented_run.write_run(folder)
    write_html(folder)
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "laptop"])
@pytest.mark.parametrize("which", ["folder", "crowded"])
def test_every_variant_has_its_name_and_no_texts_overlap(request, open_page, which, size, scheme):
    run = request.getfixturevalue(which)
    width, height = SIZES[size]
    page = open_page(run / "report.html", width=width, height=height, scheme=scheme)
    chart, texts = page.evaluate(TEXTS)
    variants = [row.variant for row in read_measurements(run).measurements]
    assert sorted(variants) == sorted(each["text"] for each in texts if each["text"] in variants)
    for each in texts:
        assert chart["left"] <= each["left"], each
        assert each["right"] <= chart["right"], each
        assert chart["top"] <= each["top"], each
        assert each["bottom"] <= chart["bottom"], each
    for a, b in itertools.combinations(texts, 2):
        across = min(a["right"], b["right"]) - max(a["left"], b["left"])
        up = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
        assert across <= 0 or up <= 3, (a, b)  # a box has room above and below the letters


def test_hostile_labels_and_texts_are_shown_and_not_run(page):
    assert page.evaluate("window.pwned") is None
    page.locator("#mistakes details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    assert page.get_by_text(HOSTILE).count() > 1
    assert page.locator("img").count() == 0
    page.locator(".tree").evaluate("tree => { tree.parentElement.open = true; }")
    assert " ".join(ENDING.split()) in " ".join(page.locator(".tree").inner_text().split())


def test_the_policy_keeps_the_page_from_the_network_and_from_other_scripts(folder, chromium):
    context = chromium.new_context()
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    refused = page.evaluate(
        """async () => {
            const seen = [];
            document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
            await fetch("http://127.0.0.1:9/").catch(() => {});
            const script = document.createElement("script");
            script.textContent = "window.pwned = 3";
            const image = document.createElement("img");
            image.src = "http://127.0.0.1:9/x.png";
            document.body.append(script, image);
            await new Promise((done) => setTimeout(done, 200));
            return [seen.sort(), window.pwned ?? null];
        }"""
    )
    context.close()
    assert refused == [["connect-src", "img-src", "script-src-elem"], None]


def test_a_slider_moves_the_pick_the_ring_and_the_command(page, folder, taken, right, monkeypatch):
    monkeypatch.chdir(folder.parent)
    first = page.locator("#live-pick").inner_text()
    assert first == recommend(taken, Constraints(), right=right).pick
    picks = {first}
    for name, place in (("min_accuracy", 80), ("max_size_mb", 20), ("max_latency_ms", 30), ("min_throughput", 60)):
        page.locator("button[type=reset]").click()
        settle(page)
        slide(page, name, place)
        command = shlex.split(page.locator("#live-command").inner_text())
        assert command[:3] == ["packlight", "recommend", "invented run"]
        answer = CliRunner().invoke(app, [*command[1:], "--json"])
        pick = json.loads(answer.stdout)["pick"]
        assert answer.exit_code == (0 if pick else 3), answer.output
        assert page.locator("#live-pick").inner_text() == (pick or "no variant")
        if pick:
            picks.add(pick)
            assert page.locator("#variants tr.is-pick th").inner_text().startswith(pick)
    assert len(picks) > 1


def test_limits_that_nothing_keeps_are_explained(page):
    slide(page, "max_size_mb", 0)
    assert page.locator("#live-pick").inner_text() == "no variant"
    assert (
        page.locator("#live-why").inner_text()
        == "No variant in this profile is within the limit on size. Relax a limit."
    )
    page.locator("button[type=reset]").click()
    settle(page)
    assert page.locator("#live-pick").inner_text() != "no variant"


def test_the_page_picks_what_the_library_picks(page, taken, right):
    chance = random.Random(3)

    def wanted():
        row = chance.choice(taken.measurements)
        loose = lambda value: value and float(f"{value * chance.choice((0.9, 1, 1.1)):.4g}")  # noqa: E731
        limits = {
            "max_latency_ms": loose(row.latency_ms.p95),
            "min_accuracy": row.val and round(row.val.accuracy - 0.01, 3),
            "max_size_mb": loose(row.size_mb),
            "max_memory_mb": loose(row.peak_memory_mb),
            "min_throughput": loose(row.throughput_batch32),
            "max_accuracy_loss": chance.choice((0.0, 0.02, 0.05)),
        }
        kept = {name: value if chance.random() < 0.3 else None for name, value in limits.items()}
        return {"profile": chance.choice(PROFILES), "percentile": chance.choice(("mean", "p50", "p95", "p99")), **kept}

    asked = [wanted() for _ in range(200)]
    places = page.evaluate("asked => asked.map((wanted) => packlight.pick(wanted).place)", asked)
    names = [None if place is None else taken.measurements[place].variant for place in places]
    assert names == [recommend(taken, Constraints(**each), right=right).pick for each in asked]
    assert len(set(names)) > 3


def on_four_threads(speedup):
    return AllThreads(
        threads=4,
        speedup=speedup,
        speedup_ci95=(speedup, speedup),
        batch_speedup=1.0,
        batch_speedup_ci95=(1.0, 1.0),
        cpu_ratio=1.5,
        rounds=5,
    )


def test_the_calculator_plans_what_the_library_plans(page, folder, taken):
    samples = samples_of([read_raw(folder, row.variant) for row in taken.measurements])
    for rate, utilisation, p99, tried in itertools.product((0.5, 90, 4000), (0.3, 0.8), (None, 6.0), (None, 1.05, 3.0)):
        every = None if tried is None else on_four_threads(tried)
        planned = page.evaluate(
            """([asked, every]) => packlight.page.measurements.map((row, place) => packlight.plan(
                {...row, all_threads: every}, packlight.page.spreads[place].times, {...asked, prices: packlight.page.prices}
            ))""",
            [{"rate": rate, "utilisation": utilisation, "p99": p99}, msgspec.to_builtins(every)],
        )
        for given, found in zip(taken.measurements, planned, strict=True):
            each = msgspec.structs.replace(given, all_threads=every)
            want = plan(each, rate, utilisation=utilisation, p99_ms=p99, latency_samples=samples[each.variant])
            assert (found["workers"], found["threads"]) == (want.workers, want.threads)
            assert found["reachable"] == want.within_p99
            assert found["p99"] == pytest.approx(want.p99_ms, rel=1e-3)
            assert found["fit"]["machine"] == want.cheapest.machine
            assert found["fit"]["month"] == pytest.approx(want.cheapest.usd_per_month)
            assert found["fit"]["million"] == pytest.approx(want.cheapest.usd_per_million)


def test_the_calculator_answers_to_its_inputs(page):
    cells = page.locator("#plans tbody tr").nth(0).locator("td")
    before = cells.all_inner_texts()
    page.locator("#rate").fill("2000")
    page.locator("#price-0").fill("9")
    assert int(cells.nth(0).inner_text()) > int(before[0])
    command = page.locator("#plan-command").inner_text()
    assert "--rate 2000" in command
    assert "--prices prices.yaml" in command
    page.locator("#rate").fill("-1")
    assert page.locator("#plan-command").inner_text() == command


def test_figures_are_written_as_the_library_writes_them(page):
    values = [0.0004, 0.04, 0.36, 1.006, 9.994, 9.996, 12.34, 99.94, 99.96, 418.4, 1200.0, 98765.0]
    for name in ("digits", "milliseconds", "megabytes", "percent", "dollars"):
        written = page.evaluate("([name, values]) => values.map((value) => packlight[name](value))", [name, values])
        assert written == [getattr(formatting, name)(value) for value in values], name


@pytest.mark.parametrize("axis", ["mean", "p95", "p99", "size", "memory", "cost"])
def test_an_axis_moves_the_bubbles_and_keeps_the_front_true(page, axis):
    page.locator(f"input[name=axis][value={axis}]").check()
    settle(page)
    titles = {"mean": "mean latency", "size": "size on disk", "memory": "peak memory", "cost": "cost per million"}
    assert titles.get(axis, f"{axis} latency") in page.locator("#chart-bubbles").inner_text()
    assert page.locator(BUBBLES).count() == 6
    assert page.locator("#chart-bubbles g.mark-line path").get_attribute("d").startswith("M")


def test_the_front_is_the_librarys(page, taken):
    points = [(row.latency_ms.mean, row.accuracy) for row in taken.measurements]
    on = [point for point, kept in zip(points, pareto_front(points), strict=True) if kept]
    found = page.evaluate(
        "points => packlight.front(points.map(([x, accuracy]) => ({x, accuracy}))).map(({x, accuracy}) => [x, accuracy])",
        points,
    )
    assert [tuple(each) for each in found] == sorted(on)


def test_hovering_a_bubble_tells_its_figures(page, taken):
    page.locator(BUBBLES).first.hover(force=True)
    tip = page.locator("#tooltip")
    assert tip.is_visible()
    assert any(tip.inner_text().startswith(row.variant) for row in taken.measurements)
    assert "accuracy" in tip.inner_text()
    page.mouse.move(2, 2)
    assert tip.is_hidden()


def test_the_table_sorts_both_ways_by_mouse_and_by_key(page, taken):
    heading = page.locator("#variants thead th", has=page.get_by_role("button", name="accuracy", exact=True))
    names = page.locator("#variants tbody th")

    def order():
        return [words.split("\n")[0].split(" ")[0] for words in names.all_inner_texts()]

    known = [row for row in taken.measurements if row.accuracy is not None]
    rising = [row.variant for row in sorted(known, key=lambda row: row.accuracy)]
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert order() == [*rising, "bert-base"]
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    falling = [row.variant for row in sorted(known, key=lambda row: -row.accuracy)]
    assert order() == [*falling, "bert-base"]
    page.locator("#variants thead button", has_text="variant").press("Enter")
    assert order() == sorted(row.variant for row in taken.measurements)
    assert heading.get_attribute("aria-sort") is None


def test_buttons_quieten_curves_in_both_charts(page):
    def faded(chart):
        return page.locator(f"#chart-{chart} g.mark-line path[opacity='0.1']").count()

    chips = page.locator("fieldset[data-charts='scope coverage'] button")
    assert (faded("scope"), faded("coverage")) == (0, 0)
    chips.nth(1).click()
    settle(page)
    assert chips.nth(1).get_attribute("aria-pressed") == "false"
    assert (faded("scope"), faded("coverage"), faded("latency")) == (1, 1, 0)


def test_mistakes_are_those_of_the_chosen_variant(page):
    page.locator("#whose").select_option("teacher")
    shown = page.locator("[data-mistakes]:visible")
    assert shown.count() == 1
    assert shown.get_attribute("data-mistakes") == "teacher"


def test_what_a_step_broke_is_there_word_by_word(page):
    step = page.locator("#steps details", has_text="student from teacher").first
    step.locator("summary").press("Enter")
    count = int(step.locator(".pill").first.inner_text().removeprefix("broke "))
    assert step.locator("h3").first.inner_text() == f"Broke {count}"
    assert step.locator(".quotes").first.locator("q").count() == min(count, 50)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_cut_off_and_axe_finds_nothing(open_page, folder, size, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    width, height = SIZES[size]
    page = open_page(folder / "report.html", width=width, height=height, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#chart-bubbles svg").bounding_box()["width"] <= width
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    found = axe.run(page).response["violations"]
    assert {each["id"]: [node["html"][:120] for node in each["nodes"]] for each in found} == {}


def test_the_page_can_be_walked_by_keyboard_alone(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("#max_size_mb").focus()
    page.keyboard.press("Home")
    assert page.locator("#max_size_mb-value").inner_text().startswith("≤")
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map((each) => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1


def test_paper_gets_the_content_without_the_controls(page):
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for hidden in ("nav", ".panel", "#traffic"):
        assert page.locator(hidden).is_hidden()
    for shown in ("#variants", "#chart-bubbles svg", "#plans", "[data-charts=latency] .chip >> nth=0"):
        assert page.locator(shown).is_visible()
    assert page.pdf(format="A4")[:5] == b"%PDF-"


def test_without_scripts_all_texts_and_tables_are_there(open_page, folder, taken):
    page = open_page(folder / "report.html", scripts=False)
    assert page.locator("#variants tbody tr").count() == len(taken.measurements)
    assert page.locator(".noscript").is_visible()


@pytest.mark.parametrize("rows", [(row("bert-base", **RANDOM),), (row("only"),), ()], ids=["reference", "one", "walk"])
def test_figures_alone_make_a_page_without_errors(open_page, tmp_path, rows):
    write_measurements(measurements(*rows), tmp_path)
    page = open_page(write_html(tmp_path))
    assert page.locator("#chart-bubbles svg").is_visible()
    assert page.locator("#latency").count() == 0
