"""`packlight report`, `recommend`, `plan` and `recipes`, and wrong options of `compare` and `serve`."""

import json
import shutil
import subprocess
import sys

import pytest

from invented_run import write_run
from packlight.measure.results import read_measurements
from packlight.recipes.recipe import load_recipe
from packlight.report.html import describe
from packlight.report.html.folder import read_run

pytest_plugins = ["tiny_run", "command"]
FORBIDDEN = ("torch", "transformers", "onnxruntime", "onnx", "tokenizers", "accelerate", "safetensors")


@pytest.fixture
def folder(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "run")


def test_report_shows_the_table_and_writes_the_files_again(packlight, folder):
    for name in ("report.md", "plot.png", "plot.svg"):
        (folder / name).unlink()
    answer = packlight("report", folder)
    assert answer.status == 0
    for row in read_measurements(folder).measurements:
        assert row.variant in answer.out
    assert "speedup" in answer.out
    assert all((folder / name).is_file() for name in ("report.md", "plot.png", "plot.svg"))
    assert answer.err.startswith("report: ")


def test_the_measurements_file_stands_for_its_folder(packlight, folder):
    assert packlight("report", folder / "measurements.json").out == packlight("report", folder).out
    assert "1,000 requests" in packlight("report", folder).out
    assert "40 requests" in packlight("report", folder, "--rate", "40").out
    assert packlight("plan", folder / "measurements.json").out == packlight("plan", folder).out


def test_recommend_picks_a_measured_variant_and_says_why(packlight, folder):
    names = {row.variant for row in read_measurements(folder).measurements}
    for profile in ("quick-win", "balanced", "edge", "portable", "last-mile"):
        picked = json.loads(packlight("recommend", folder, "--profile", profile, "--json").out)
        assert picked["pick"] in names
    text = packlight("recommend", folder, "--min-accuracy", "0.5").out
    assert any(name in text for name in names)
    assert len(text.splitlines()) > 1


def test_page_report_and_command_make_the_same_pick_from_val(packlight, tmp_path):
    write_run(tmp_path)
    assert packlight("report", tmp_path).status == 0
    picked = json.loads(packlight("recommend", tmp_path, "--json").out)
    page = describe(read_run(tmp_path))
    assert picked["chosen_on"] == "val"
    assert picked["pick"] == page.pick.variant
    assert f"**Ship {picked['pick']}**" in (tmp_path / "report.md").read_text()
    confirmed = picked["confirmation"]
    assert confirmed.startswith("Chosen on validation")
    assert confirmed in page.pick.why
    assert confirmed in (tmp_path / "report.md").read_text()


def test_impossible_constraints_are_answered_with_the_nearest(packlight, folder):
    answer = packlight("recommend", folder, "--max-size-mb", "0.0001")
    assert answer.status == 3
    assert packlight("recommend", folder, "--max-size-mb", "0.0001", "--json").status == 3
    assert "No variant keeps the limit on size; the nearest is student-onnx" in answer.out


def test_plan_counts_workers(packlight, folder):
    plans = json.loads(packlight("plan", folder, "--rate", "100000", "--json").out)
    row = read_measurements(folder).measurements[0]
    first = next(each for each in plans if each["variant"] == row.variant)
    assert first["workers"] >= 100000 * row.latency_ms.mean / 1000
    (only,) = json.loads(packlight("plan", folder, "--variant", "student-onnx-static", "--json").out)
    assert only["variant"] == "student-onnx-static"
    assert "student-onnx-static" in packlight("plan", folder).out


def test_prices_are_shown_edited_and_used(packlight, folder, tmp_path):
    shown = packlight("plan", "--show-prices")
    assert shown.status == 0
    (tmp_path / "prices.yaml").write_text(shown.out)
    assert packlight("plan", folder, "--prices", tmp_path / "prices.yaml").out == packlight("plan", folder).out


def test_recipes_are_listed_printed_and_explained(packlight, tmp_path):
    listed = dict(line.split(maxsplit=1) for line in packlight("recipes").out.splitlines())
    assert listed["walk"].strip() == "The baseline tutorial, with every step measured"
    assert all(words.strip() for words in listed.values())
    printed = packlight("recipes", "walk").out
    (tmp_path / "mine.yaml").write_text(printed)
    assert load_recipe(tmp_path / "mine.yaml") == load_recipe("walk")
    explained = packlight("recipes", "--options").out
    assert all(word in explained for word in ("finetune", "distill", "alpha", "quantize-onnx", "mode", "tolerance"))


def test_a_recipe_of_ones_own_is_for_run(packlight, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(packlight("recipes", "walk").out)
    answer = packlight("recipes", "./mine.yaml")
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert "`packlight run --recipe ./mine.yaml`" in answer.err
    assert "frontier, tiny, walk" in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "nothing"], "there is no measurements.json"),
        (["recommend", "nothing"], "there is no measurements.json"),
        (["plan"], "nothing to plan from"),
        (["plan", "nothing"], "there is no measurements.json"),
        (["plan", "RUN", "--variant", "nobody"], "no variant 'nobody' was measured; there are: teacher"),
        (["plan", "RUN", "--prices", "nowhere.yaml"], "nowhere.yaml"),
        (["plan", "RUN", "--rate", "-1"], "rate"),
        (["recommend", "RUN", "--profile", "magic"], "'magic' is not one of"),
        (["recommend", "RUN", "--min-accuracy", "95"], "accuracy"),
        (["recommend", "RUN", "--percentile", "p95"], "--percentile is for --max-latency-ms; add that limit"),
        (["report", "RUN", "--json", "--no-texts"], "--no-texts is for the report and its capacity plan, but --json"),
        (["report", "RUN", "--json", "--rate", "5"], "--rate is for the report and its capacity plan"),
        (["compare", "RUN", "RUN", "--strict"], "--strict is for --fail-if; add a condition, such as --fail-if"),
        (["compare", "RUN", "RUN", "--json", "--markdown"], "--markdown and --json are two forms of the same output"),
        (["recommend"], "packlight recommend --help"),
        (["report", "RUN", "--colour"], "packlight report --help"),
        (["shrink"], "no such command 'shrink'"),
        (["recipes", "nothing"], "no recipe 'nothing'"),
        (["recipes", "walk", "--options"], "--options is about the keys of every recipe; omit the recipe's name"),
        (["recipes", "--options", "--schema"], "--options and --schema are two forms of the same list; omit one"),
        (["serve", "RUN", "--uds", "s", "--port", "80"], "--port is not used with --uds s; omit one of them"),
    ],
)
def test_a_users_error_is_one_line(packlight, folder, words, said):
    answer = packlight(*(folder if word == "RUN" else word for word in words))
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert said in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("damage", ["", "{", '{"format": 99}', "[]"])
def test_damaged_figures_are_one_line(packlight, folder, damage):
    (folder / "measurements.json").write_text(damage)
    answer = packlight("report", folder)
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)


def test_without_words_there_is_help(packlight):
    answer = packlight()
    assert answer.status == 2
    assert "recommend" in answer.out + answer.err


def test_none_of_them_needs_a_model_library(folder):
    hook = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {FORBIDDEN!r}: raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "from packlight.cli import main\n"
        "for words in (['report'], ['recommend'], ['plan']):\n"
        f"    sys.argv = ['packlight', *words, {str(folder)!r}]\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, words\n"
    )
    answer = subprocess.run([sys.executable, "-c", hook], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout.count("student-onnx-static") >= 2
