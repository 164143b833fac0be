"""Model cards: what they say, that the Hub can read it, and that every code block of them runs."""

import json
import re
import shutil
import sys
from subprocess import run

import msgspec
import pytest
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from invented import measurements, row
from packlight.cli.app import app
from packlight.measure.results import read_measurements
from packlight.report.card import render_card
from packlight.report.card.loading import ways
from packlight.report.card.metadata import card_data, source_of
from packlight.report.card.sections import limits, out_of_scope
from packlight.runtime.artifact import Artifact

pytest_plugins = ["tiny_run", "frontier_run"]

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
VARIANTS = ("teacher", "student-torch-int8", "student-onnx", "student-onnx-int8", "student-onnx-static")


@pytest.fixture
def opened(tiny_run):
    return lambda name: Artifact.open(tiny_run / "variants" / name)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_code_block_of_a_card_runs_and_all_answer_alike(tiny_run, tmp_path, monkeypatch, capsys, name):
    folder = shutil.copytree(tiny_run / "variants" / name, tmp_path / name)
    assert run_blocks(folder, monkeypatch, capsys) == (2 if name == "student-torch-int8" else 3)


@pytest.mark.parametrize(("name", "count"), [("calibrated", 3), ("int8", 3), ("static-calibrated", 2), ("both", 2)])
def test_the_blocks_of_calibrated_static_and_cascade_artifacts_run_too(
    frontier_run, tmp_path, monkeypatch, capsys, name, count
):
    folder = shutil.copytree(frontier_run / "variants" / name, tmp_path / name)
    page = render_card(Artifact.open(folder), measurements(row(name)))
    (folder / "README.md").write_text(page)
    assert run_blocks(folder, monkeypatch, capsys) == count
    assert ("AutoModel" in page) == (name == "calibrated")
    assert ("onnxruntime.InferenceSession" in page) == (name == "int8")


def run_blocks(folder, monkeypatch, capsys):
    """Run a card's code blocks, which must answer alike; gives how many there are."""
    monkeypatch.chdir(folder)
    labels = []
    blocks = BLOCK.findall((folder / "README.md").read_text())
    for language, code in blocks:
        if language == "python":
            exec(compile(code, "README.md", "exec"), {"__name__": "card"})
            labels.append(capsys.readouterr().out.split()[0])
        else:
            answer = CliRunner().invoke(app, [*code.replace('"', "").split()[1:3], "where is my package", "--json"])
            labels.append(json.loads(answer.stdout)[0]["label"])
    assert len(labels) == len(ways(Artifact.open(folder)))
    assert len(set(labels)) == 1
    return len(labels)


@pytest.mark.parametrize("name", ["calibrated", "int8", "both"])
def test_the_rule_is_told_of_whatever_it_acts_in(frontier_run, name):
    artifact = Artifact.open(frontier_run / "variants" / name)
    facts = Artifact.open(frontier_run / "variants" / "calibrated").manifest.facts
    said = out_of_scope(artifact, measurements(row(name)))
    assert "(variant `calibrated`) for traffic of which 70.0% is out of scope" in said
    assert f"temperature of {facts['rule']['temperature']:.3g}" in said
    assert f"is {facts['rule']['slope']:g} times the trained one" in said
    assert f"{100 * facts['val_oos_recall']:.1f}% of them were recognized there" in said


def test_a_rule_that_training_has_overruled_is_not_told(frontier_run):
    healed = Artifact.open(frontier_run / "variants" / "healed")
    assert "calibrate" in [step["step"] for step in healed.manifest.lineage]
    assert "threshold" not in out_of_scope(healed, measurements(row("healed")))


@pytest.mark.parametrize("name", ["sure", "sure-onnx", "static-sure", "both"])
def test_the_bound_of_abstention_is_told(narrow_run, name):
    artifact = Artifact.open(narrow_run / "variants" / name)
    said = out_of_scope(artifact, measurements(row(name)))
    assert f"label has a probability below {artifact.manifest.abstain_below:.6g}" in said
    chosen = "static-sure" if name == "static-sure" else "sure"
    coverage = Artifact.open(narrow_run / "variants" / chosen).manifest.facts["abstention"]["coverage"]
    assert f"chosen on `val`. There, {100 * coverage:.1f}% of the in-scope texts are answered" in said


def test_static_and_cascade_artifacts_have_limits_of_their_own(frontier_run):
    alone = Artifact.open(frontier_run / "variants" / "static")
    static = " ".join(limits(alone, measurements(row("static"))))
    assert f"truncated to {alone.manifest.max_length} words" in static
    assert "VNNI" not in static
    both = Artifact.open(frontier_run / "variants" / "both")
    said = " ".join(limits(both, measurements(row("both"))))
    assert "`static-calibrated` answers texts for which its probability is at least" in said
    assert "`int8` alone has" in said
    assert "VNNI" in said
    data = card_data(both, measurements(row("both")))
    assert {"cascade", "distillation"} <= set(data.tags)
    assert "pytorch" not in data.tags
    assert data.library_name == "packlight"


def test_the_hub_reads_the_metadata(tiny_run, opened):
    artifact = opened("student-onnx-static")
    taken = read_measurements(tiny_run)["student-onnx-static"]
    card = ModelCard((artifact.path / "README.md").read_text())
    assert card.data.pipeline_tag == "text-classification"
    assert {"packlight", "onnx", "int8", "distillation"} <= set(card.data.tags)
    results = {each.metric_name: each for each in card.data.eval_results}
    assert results["Accuracy"].metric_value == pytest.approx(taken.accuracy, abs=1e-4)
    assert results["Out-of-scope recall"].metric_value == pytest.approx(taken.oos_recall, abs=1e-4)
    assert results["Accuracy"].dataset_split == "test"
    assert card.data.model_name == "student-onnx-static"


def test_a_card_says_data_steps_and_limits(tiny_run, opened):
    taken = read_measurements(tiny_run)
    page = render_card(opened("student-onnx-int8"), taken)
    for words in (
        "## Intended use",
        taken.data.sha256,
        "| student | `distill` |",
        'mode: `"dynamic"`',
        "int8 ranges are computed from each batch",
        "VNNI",
        "Other languages",
        f"{taken.data.rows['test']} texts",
        "truncated to 24 tokens",
        "labelled `oos`",
        "| student-onnx-int8 |",
    ):
        assert words in page.replace("**", "").replace(" ●", "")


def test_static_variants_do_not_warn_of_batches(tiny_run, opened):
    words = " ".join(limits(opened("student-onnx-static"), read_measurements(tiny_run)))
    assert "Predictions do not depend on the batch" in words


def test_local_folders_stay_private(opened):
    artifact = opened("student-onnx")
    document = measurements(row("student-onnx"))
    secret = msgspec.structs.replace(document.data, source="/home/someone/secret-project/intents.csv")
    page = render_card(artifact, msgspec.structs.replace(document, data=secret))
    assert "secret-project" not in page
    assert "`intents.csv`" in page


def test_a_hub_data_set_is_named_with_its_configuration():
    source = source_of(measurements().data)
    assert source == ("clinc/clinc_oos", "plus", True)
    assert not source_of(msgspec.structs.replace(measurements().data, source="data/intents.csv")).on_hub


def test_without_an_accuracy_there_are_no_results_and_the_card_says_so(opened):
    document = measurements(row("student-onnx", accuracy=None))
    data = card_data(opened("student-onnx"), document)
    assert data.eval_results is None
    assert "accuracy was not measured" in render_card(opened("student-onnx"), document)


def test_without_an_out_of_scope_label_the_card_warns(opened):
    artifact = opened("student-onnx")
    manifest = msgspec.structs.replace(artifact.manifest, oos_label=None)
    bare = Artifact(artifact.path, manifest, artifact.labels)
    assert "every text gets one of its labels" in out_of_scope(bare, measurements(row("student-onnx")))


def test_labels_are_shown_as_they_are(opened):
    artifact = opened("student-onnx")
    odd = Artifact(artifact.path, artifact.manifest, ("<script>", "a`b|c", *(f"label {n}" for n in range(20))))
    page = render_card(odd, measurements(row("student-onnx")))
    assert "`<script>`, `a'b\\|c`" in page
    assert "and 10 more" in page


def test_measuring_again_writes_the_card_again(tiny_run):
    cards = sorted(tiny_run.glob("variants/*/README.md"))
    assert len(cards) == 8
    assert all("## Limits" in card.read_text() for card in cards)


def test_importing_the_card_needs_no_hub(tmp_path):
    code = "import sys, packlight.report.card; sys.exit('huggingface_hub' in sys.modules or 'torch' in sys.modules)"

    assert run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
