import msgspec
import pytest

from invented import measurements
from invented_run import QUERIES, write_run
from packlight.analysis.recommend import PROFILES, Constraints, recommend
from packlight.errors import MeasurementError
from packlight.measure.results import read_raw, write_measurements, write_raw
from packlight.report.html.folder import read_run
from packlight.report.html.page import describe
from packlight.runtime.artifact import read_manifest, write_manifest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "intents"
    folder.mkdir()
    write_run(folder)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return describe(read_run(folder))


def test_a_whole_folder_gives_every_part(page):
    assert [spread.variant for spread in page.spreads][:2] == ["bert-base", "teacher"]
    assert len(page.scopes) == len(page.mistakes) == 6
    assert (page.effects[0].variant, page.effects[0].parent) == ("teacher-onnx", "teacher")
    assert page.rate == 100
    assert [each.epoch for each in page.epochs if each.kept] == [2, 2]


def test_the_pick_is_the_advice_in_three_sentences(folder, page):
    run = read_run(folder)
    truth = run.truths["val"]
    right = {name: truth.right(raw) for name, raw in run.raws.items() if raw.val_predictions}
    assert page.pick.variant == recommend(run.measurements, Constraints(), right=right).pick
    what, confirmed, why = page.pick.why
    assert what.startswith("It answers a request in ")
    assert confirmed.startswith("Chosen on validation (")
    assert why.startswith("It is the fastest that is not measurably worse")


def test_effects_agree_with_the_figures(page):
    rows = {row.variant: row for row in page.measurements}
    assert page.effects
    for effect in page.effects:
        assert (effect.fixed - effect.broke) / QUERIES == pytest.approx(rows[effect.variant].change_vs_parent)


def test_own_labels_stand_where_recall_says(page):
    rows = {row.variant: row for row in page.measurements}
    assert page.scopes
    for scope in page.scopes:
        assert 1 - scope.own[0] == pytest.approx(rows[scope.variant].oos_recall)
        assert 0.5 < scope.roc.area < 1


def test_the_evidence_admits_what_profiles_admit(page):
    admitted = {profile.name: profile.open_to for profile in page.evidence.profiles}
    assert tuple(admitted) == PROFILES
    engines = [row.engine == "onnxruntime" for row in page.measurements]
    assert list(admitted["portable"]) == engines
    assert [row.variant for row, own in zip(page.measurements, admitted["quick-win"], strict=True) if own] == [
        "bert-base", "teacher", "teacher-onnx", "teacher-onnx-int8",
    ]  # fmt: skip


def test_lineage_is_a_forest_with_set_options(page):
    nodes = {node.name: node for node in page.nodes}
    assert nodes["student-onnx-int8"].parent == "student-onnx"
    assert "bert-base" not in nodes
    assert ("layers", "[0,2]") in nodes["student-onnx-int8"].options
    assert "unset" not in dict(nodes["teacher-onnx"].options)
    assert all(node.parent is None or node.parent in nodes for node in page.nodes)


def test_commands_are_quoted_and_name_no_absolute_path(page):
    words = dict(page.commands)
    run = words["Build and measure every variant again"]
    assert run == (
        "packlight run --recipe intents/recipe.yaml --model minilm --data 'intents & co.csv' --threads 2 --out intents-again"
    )
    assert "--reference bert-base" in words["Measure the same artifacts again, here or on another machine"]
    assert not any("/tmp" in command for command in words.values())


def test_the_command_that_builds_again_states_the_loss_by_abstaining(tmp_path):
    write_run(tmp_path)
    folder = tmp_path / "variants" / "student"
    known = read_manifest(folder)
    for stated, words in ((0.05, " --abstain 0.05 "), (None, " --threads 2 --out ")):
        write_manifest(folder, msgspec.structs.replace(known, facts=known.facts | {"abstention": {"stated": stated}}))
        (command, *_) = [words for what, words in describe(read_run(tmp_path)).commands if what.startswith("Build")]
        assert words in command


def test_commands_read_the_data_as_it_was_read(tmp_path):
    write_run(tmp_path)
    told = measurements()
    reading = {"text_column": "what they said", "seed": 3}
    write_measurements(
        msgspec.structs.replace(told, data=msgspec.structs.replace(told.data, reading=reading)), tmp_path
    )
    (command, *_) = [words for what, words in describe(read_run(tmp_path)).commands if what.startswith("Measure")]
    assert " --text-column 'what they said' --seed 3 --threads 2 " in command


def test_figures_alone_are_enough(tmp_path):
    write_measurements(measurements(), tmp_path)
    page = describe(read_run(tmp_path))
    assert page.pick.variant == "teacher-onnx-int8"
    assert page.spreads == page.scopes == page.mistakes == page.effects == page.epochs == ()
    assert {node.name for node in page.nodes} >= {"teacher", "student"}
    assert [what for what, _ in page.commands] == ["Write this page again"]


def test_answers_of_another_test_split_are_refused(tmp_path):
    write_run(tmp_path)
    raw = read_raw(tmp_path, "student")
    write_raw(msgspec.structs.replace(raw, predictions=raw.predictions[1:]), tmp_path)
    with pytest.raises(MeasurementError, match="299 predictions for 300 test texts"):
        read_run(tmp_path)


def test_a_folder_without_figures_says_what_to_run(tmp_path):
    with pytest.raises(MeasurementError, match="packlight measure"):
        read_run(tmp_path)
