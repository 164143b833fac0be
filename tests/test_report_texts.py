"""No text of the data where `--no-texts` is given: not in the page, its data, report.md or the cards."""

import html
import json
import re
import shutil

import msgspec
import pytest
from typer.testing import CliRunner

import invented_run
from packlight.cli.app import app
from packlight.measure.results import read_truth, write_truth
from packlight.report.html import write_html

pytest_plugins = ["tiny_run", "command"]
SHARED = (".html", ".md", ".svg")


def written_of(folder):
    """What is shared of a folder, markup and escapes undone."""
    for file in sorted(folder.rglob("*")):
        if file.suffix in SHARED and "work" not in file.relative_to(folder).parts:
            content = file.read_text(encoding="utf-8")
            yield file.name, html.unescape(content) + re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), content)


def found_in(folder):
    """File -> the test texts that it holds."""
    texts = {text for split in ("val", "test") for text in read_truth(folder, split).texts}
    return {name: {text for text in texts if text in content} for name, content in written_of(folder)}


@pytest.fixture
def folder(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "run")


@pytest.fixture
def wrong(tmp_path):
    """A run with many wrong answers, whose texts hold markup and are like nothing else on the page."""
    folder = tmp_path / "invented"
    invented_run.write_run(folder)
    for split in ("val", "test"):
        truth = read_truth(folder, split)
        texts = [f'<b>secret & "{split} {number:04}"</b> \u2028' for number in range(len(truth.texts))]
        write_truth(msgspec.structs.replace(truth, texts=texts), folder)
    return folder


def foot(folder):
    return re.search(r"<footer>(.*?)<br>", (folder / "report.html").read_text(encoding="utf-8"))[1]


def test_a_page_says_how_many_texts_it_quotes(wrong):
    write_html(wrong)
    held = set(re.findall(r"<q>(.*?)</q>", (wrong / "report.html").read_text(encoding="utf-8")))
    assert len(held) > 20
    assert foot(wrong).startswith(f"This page quotes {len(held)} of the ")


def test_a_page_without_texts_holds_none(wrong):
    write_html(wrong, texts=False)
    assert found_in(wrong) == {"report.html": set()}
    assert foot(wrong) == "This page quotes none of the test texts."
    data = re.search(r'id="data">(.*?)</script>', (wrong / "report.html").read_text(encoding="utf-8"))[1]
    page = json.loads(data)["page"]
    assert page["quoted"] == 0
    assert any(effect["broken_texts"] for effect in page["effects"]), "labels and counts stay"


def test_the_verb_leaves_them_out_of_all_that_is_shared(folder):
    answer = CliRunner().invoke(app, ["report", str(folder), "--no-texts"])
    assert answer.exit_code == 0, answer.output
    held = found_in(folder)
    assert {"report.html", "report.md", "README.md", "plot.svg"} <= held.keys()
    assert not any(held.values())


def test_a_run_that_is_up_to_date_loses_the_texts_too(wrong, monkeypatch):
    from packlight.pipeline import measure_run  # time that the others do without

    write_html(wrong)
    known = measure_run.read_measurements(wrong)
    monkeypatch.setattr(measure_run, "_up_to_date", lambda *_: known)
    settings = {"references": (), "threads": 1, "seed": 0, "effort": measure_run.BenchmarkConfig()}
    data = type("Data", (), {"sha256": "0", "test": None})()
    monkeypatch.setattr(measure_run, "_settings", lambda *_: {})
    assert found_in(wrong)["report.html"]
    measure_run.measure_run({}, data, wrong, **settings, quote=False)
    assert not found_in(wrong)["report.html"]


@pytest.mark.parametrize("verb", ["run", "measure", "search", "report"])
def test_every_verb_that_writes_a_page_can_leave_them_out(packlight, verb):
    assert "--no-texts" in packlight(verb, "--help").out
