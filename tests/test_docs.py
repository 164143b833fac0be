"""Every code block of README and docs is run, on tiny models; one that cannot be says why in a comment before it.

    ```python   in order, a page's blocks share their names
    ```bash     each `packlight` command, through the command line
    ```yaml     recipes and price tables are read by packlight, anything else as YAML

What a comment before a block can say is in `pages`; `make test-docs` runs the tutorial and the guides on real data (`test_hands_on`).
`sample` and `intents.csv` are toy texts here, `minilm` a tiny encoder, and each run's and artifact's name stands for one of
the fixture `tiny_run`. Blocks without a language are pictures and shell prompts.
"""

import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from packlight.analysis.capacity import default_prices_text, read_prices
from packlight.cli.app import app
from packlight.recipes.recipe import load_recipe
from pages import PAGES, ROOT, blocks, name
from tiny_run import on_one_thread, replace_everywhere

pytest_plugins = ["tiny_run"]

RUNS = ("latest", "clinc", "intents", "tutorial", "changed", "main", "branch")
GENERATED = [ROOT / "docs" / "reference" / name for name in ("cli.md", "steps.md")]
ARTIFACTS = ("teacher", "student", "student-onnx")
TEXT = ("csv", "json", "text", "toml", "html", "dockerfile", "promql", "http", "mermaid", "console")
"""languages of blocks that show something and do nothing"""


@pytest.fixture
def place(tiny_run, tiny, four_layers, tmp_path, monkeypatch):
    """A working folder in which the pages' names lead to tiny things."""
    # All that bind the two names below must be loaded before these are replaced.
    from packlight import data, models

    copy = shutil.copytree(tiny_run, tmp_path / "runs" / RUNS[0])
    for alias in RUNS[1:]:
        (tmp_path / "runs" / alias).symlink_to(copy)
    for artifact in ARTIFACTS:
        shutil.copytree(tiny_run / "variants" / artifact, tmp_path / "artifacts" / artifact)
    rows = list(zip(*tiny.toy_texts(), strict=True))
    (tmp_path / "intents.csv").write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows))
    (tmp_path / "prices.yaml").write_text(default_prices_text())
    real = models.resolve
    tiny_resolve = lambda reference, **other: real(  # noqa: E731
        str(four_layers) if reference == "minilm" else reference, **other
    )
    real_load = data.load_dataset
    tiny_load = lambda source, **other: real_load(  # noqa: E731
        tmp_path / "intents.csv" if source == "sample" else source, **other
    )
    on_one_thread(monkeypatch)
    monkeypatch.setattr("packlight.measure.timing.Estimate.settled", True)  # else up to forty rounds
    replace_everywhere(monkeypatch, resolve=(real, tiny_resolve), load_dataset=(real_load, tiny_load))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page))], ids=name)
def test_every_block_of_the_page_runs(page, request):
    todo = [
        block
        for block in blocks(page)
        if block.not_run is None and block.hands_on is None and block.language not in TEXT
    ]
    if not todo:
        return
    request.getfixturevalue("place")
    names = {"__name__": "page"}
    for block in todo:
        where = f"{name(page)}:{block.line}"
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.code, name(page), "exec"), names)
        elif block.language == "bash":
            run_commands(block, where)
        elif block.language == "yaml":
            read_yaml(block.code)
        else:
            pytest.fail(f"{where}: nothing is known of {block.language} blocks; say `not run` with a reason")


def run_commands(block, where):
    """Run each line that calls packlight; a line that calls something else has to be excused."""
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        assert words[0] == "packlight", f"{where}: {line!r} cannot be run here; say `not run` with a reason"
        make_room(words)
        answer = CliRunner().invoke(app, words[1:])
        said = f"{where}: {line}\n{answer.output}\n{answer.exception!r}"
        assert answer.exit_code in block.statuses, said
        assert answer.exception is None or isinstance(answer.exception, SystemExit), said


def make_room(words):
    """Take away the artifact that a command is to make, or it would find it up to date and do nothing."""
    if "--out" in words and (made := Path(words[words.index("--out") + 1])).parent == Path("artifacts"):
        shutil.rmtree(made, ignore_errors=True)


def read_yaml(code):
    Path("block.yaml").write_text(code)
    document = yaml.safe_load(code)
    if "steps" in document:
        load_recipe("block.yaml")
    elif "machines" in document:
        read_prices(Path("block.yaml"))


def test_what_is_not_run_says_why():
    found = [
        (f"{name(page)}:{block.line}", why)
        for page in PAGES
        for block in blocks(page)
        if (why := block.not_run or block.hands_on) is not None
    ]
    assert found
    for where, why in found:
        assert len(why.split()) >= 3, f"{where}: {why!r} is no reason"


def test_every_block_is_seen():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(re.findall(r"^```\w", text, re.MULTILINE)) == len(list(blocks(page))), name(page)


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" in target or target.startswith("mailto:"):
                continue
            linked = (page.parent / target).resolve()
            assert linked in GENERATED or linked.exists(), f"{name(page)}: {target}"


def test_every_name_that_the_reference_documents_exists():
    text = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    documented = re.findall(r"^::: ([\w.]+)(?:\n    options:\n      members: \[([^\]]*)\])?", text, re.MULTILINE)
    assert documented
    missing = [
        f"{place}.{name}"
        for place, members in documented
        for name in filter(None, members.split(", "))
        if not hasattr(pkgutil.resolve_name(place), name)
    ]
    assert missing == [], "mkdocs leaves out a member that isn't there, without a word"


def test_the_site_builds_without_warnings(tmp_path):
    pytest.importorskip("mkdocs")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1", "HOME": str(tmp_path)},
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr, built.stderr
    assert "--fail-if" in (tmp_path / "reference" / "cli" / "index.html").read_text()
    assert (
        "packlight.runtime.predictor.Predictor.open" in (tmp_path / "reference" / "python" / "index.html").read_text()
    )
    assert (tmp_path / "decisions" / "0001-mean-pooling-as-a-stock-layer" / "index.html").is_file()
