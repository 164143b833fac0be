"""`make test-docs`: the tutorial and the guides, command by command, on the real sample data and the real encoder.

Every block of commands runs in a shell and every Python block in a fresh interpreter, in the order of the pages, all in
one folder. Where the page shows what a block prints, that must be what it prints; `shown` says what may differ.

The guides go on where the tutorial ends: their `runs/latest`, `runs/intents` and `runs/main` are its run, `runs/branch` is
its second run, `artifacts/teacher` its teacher, `intents.csv` the sample and `prices.yaml` the built-in prices.
With PACKLIGHT_HANDS_ON=FOLDER the folder is kept, so that a second call finds the runs up to date.
"""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from packlight import load_dataset
from packlight.analysis.capacity import default_prices_text
from pages import ROOT, blocks, name
from shown import difference

pytestmark = pytest.mark.docs
TUTORIAL = ROOT / "docs" / "tutorial.md"
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
LINKS = {
    "runs/latest": "tutorial",
    "runs/intents": "tutorial",
    "runs/main": "tutorial",
    "runs/branch": "changed",
}
RUNNING = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
WIDTH = "120"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Where everything runs."""
    kept = os.environ.get("PACKLIGHT_HANDS_ON")
    place = Path(kept).resolve() if kept else tmp_path_factory.mktemp("hands-on")
    place.mkdir(exist_ok=True)
    return place


@pytest.fixture(scope="session")
def after_tutorial(folder):
    """The same folder once the tutorial has run, with the names that the guides use."""
    work_through(TUTORIAL, folder)
    for link, run in LINKS.items():
        if not (folder / link).is_symlink():
            (folder / link).symlink_to(run)
    shutil.copytree(folder / "runs/tutorial/variants/teacher", folder / "artifacts/teacher", dirs_exist_ok=True)
    data = load_dataset("sample")
    with (folder / "intents.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "split"])
        for split in ("train", "val", "test"):
            part = data.split(split)
            writer.writerows((text, label, split) for text, label in zip(part.texts, part.labels, strict=True))
    (folder / "prices.yaml").write_text(default_prices_text(), encoding="utf-8")
    return folder


def test_the_tutorial_prints_what_it_says(after_tutorial):
    assert (after_tutorial / "runs/tutorial/report.html").is_file()


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_a_guide_prints_what_it_says(page, after_tutorial):
    work_through(page, after_tutorial)


def work_through(page, folder):
    """Run a page's blocks in order."""
    for block in blocks(page):
        if block.not_run is None and block.language in RUNNING:
            run_block(block, folder, f"{name(page)}:{block.line}")


def run_block(block, folder, where):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": WIDTH,
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [*RUNNING[block.language], block.code],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    # For whoever writes the page: `pytest -s` shows what to paste.
    print(f"\n--- {where}\n{block.code}---\n{done.stdout}--- standard error\n{done.stderr}")  # noqa: T201
    assert done.returncode in block.statuses, f"{where}: exit status {done.returncode}\n{done.stderr}"
    if block.shown is not None:
        wrong = difference(block.shown, done.stdout)
        assert wrong is None, f"{where}: {wrong}\n{done.stdout}"
