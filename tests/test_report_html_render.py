import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from invented import RANDOM, measurements, row
from invented_run import ENDING, HOSTILE, TRIED, write_run
from packlight.errors import MissingExtraError
from packlight.formatting import times_within
from packlight.measure.results import write_measurements
from packlight.report.html import write_html
from packlight.report.html.render import as_json, policy

pytest.importorskip("jinja2")
pytest.importorskip("vl_convert")


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    return write_html(folder).read_text()


class Elements(HTMLParser):
    """Every start tag, and the text of scripts, as a browser parts them."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.scripts, self.words = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        elif self.cdata_elem is None:
            self.words.append(data)


def test_the_page_is_one_small_file(html):
    assert len(html.encode()) < 2_000_000
    for tag, attributes in Elements(html).tags:
        assert tag not in ("link", "iframe", "object", "embed", "img", "base")
        assert "src" not in attributes
        assert not str(attributes.get("href", "#")).strip().startswith(("http", "//"))


def test_the_page_says_where_the_time_went(html):
    words = " ".join(Elements(html).words).split()
    assert "Where the time went" in " ".join(words)
    assert words[words.index("measuring") :][:4] == ["measuring", "25.8", "s", "20.6%"]


def test_the_page_says_what_more_threads_bring(html):
    words = " ".join(Elements(html).words).split()
    assert "One thread or all" in " ".join(words)
    assert "On all 4 threads of this machine" in " ".join(words)
    assert f"student-onnx {times_within(TRIED.speedup, TRIED.speedup_ci95)} 1 thread" in " ".join(words)


def test_text_from_data_never_becomes_an_element(html):
    found = Elements(html)
    assert [tag for tag, _ in found.tags].count("script") == 3
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert "".join(found.words).count(HOSTILE) > 1
    assert ENDING in "".join(found.words)


def test_the_data_survives_its_escapes(html):
    data = json.loads(Elements(html).scripts[0])
    labels = {confusion["answer"] for each in data["page"]["mistakes"] for confusion in each["confusions"]}
    assert HOSTILE in labels
    assert set(data["charts"]) >= {"bubbles", "lineage"}


@pytest.mark.parametrize("text", [HOSTILE, ENDING, "]]>", "<!--<script>", "\u2029", "é漢"])
def test_json_ends_no_script_and_stays_the_same(text):
    written = as_json({text: [text]})
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == {text: [text]}


def test_only_the_listed_scripts_may_run_and_nothing_may_be_loaded(html):
    rule = next(attributes["content"] for tag, attributes in Elements(html).tags if "http-equiv" in attributes)
    assert rule.startswith("default-src 'none'")
    assert "unsafe-eval" not in rule
    allowed = re.search("script-src ([^;]*)", rule)[1].split()
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in Elements(html).scripts[1:]]
    assert allowed == [f"'sha256-{each}'" for each in hashes]
    assert policy([]).count("script-src") == 1


def test_ids_are_given_once_and_every_control_has_a_label(html):
    tags = Elements(html).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {attributes.get("for") for tag, attributes in tags if tag == "label"}
    for tag, attributes in tags:
        if tag in ("select", "input") and attributes.get("type") != "radio":
            assert attributes["id"] in labelled
        if tag == "a":
            assert attributes["href"].removeprefix("#") in ids


def test_a_second_page_is_the_same(tmp_path, html):
    folder = tmp_path / "run0"
    folder.mkdir()
    write_run(folder)
    again = write_html(folder).read_text()
    assert again == write_html(folder).read_text()
    assert len(again) == pytest.approx(len(html), abs=200)


@pytest.mark.parametrize("rows", [measurements(), measurements(row("bert-base", **RANDOM)), measurements(row("a"))])
def test_figures_alone_and_reference_rows_alone_are_shown(tmp_path, rows):
    write_measurements(rows, tmp_path)
    html = write_html(tmp_path).read_text()
    assert rows.measurements[0].variant in "".join(Elements(html).words)
    assert 'id="latency"' not in html


def test_a_missing_template_engine_is_named_with_its_extra(tmp_path, monkeypatch):
    write_measurements(measurements(), tmp_path)
    monkeypatch.setattr("packlight.extras.installed", lambda module: module != "jinja2")
    with pytest.raises(MissingExtraError, match=r"report\.html needs jinja2: pip install -e \"\.\[report\]\""):
        write_html(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_nothing_heavy_is_loaded_before_a_page_is_written():
    code = (
        "import sys, packlight.report.html;"
        "print([m for m in ('torch', 'onnxruntime', 'transformers', 'jinja2', 'vl_convert') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
