"""One variant: its place on disk, its parent's kind, and one process at a time."""

import shutil
from pathlib import Path

import pytest

from packlight.data import dataset_from_rows
from packlight.errors import ArtifactError, ModelError, PacklightError, RecipeError
from packlight.models import resolve
from packlight.pipeline.fingerprint import fingerprint
from packlight.pipeline.locking import lock_artifact, lock_run
from packlight.pipeline.variant import check_parent, make_variant, open_parent
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import open_engine
from packlight.steps.distill.options import Distill
from packlight.steps.export.options import Export
from packlight.steps.finetune.options import Finetune
from packlight.steps.quantize_onnx.options import QuantizeOnnx
from packlight.steps.quantize_torch.options import QuantizeTorch

pytest_plugins = ["tiny_run"]


@pytest.fixture
def artifact(tiny_run):
    return lambda name: Artifact.open(tiny_run / "variants" / name)


MARK = {"kind": "export", "options": {"opset": 18}, "parent": "ab", "data": "cd", "seed": 0}


@pytest.mark.parametrize(
    ("key", "value"), [("kind", "distill"), ("options", {"opset": 19}), ("parent", "aa"), ("data", "cc"), ("seed", 1)]
)
def test_whatever_determines_a_variant_is_in_its_fingerprint(key, value):
    assert fingerprint(**MARK) == fingerprint(**MARK)
    assert fingerprint(**MARK) != fingerprint(**(MARK | {key: value}))


def test_the_order_of_options_does_not_count():
    options = {"a": 1, "b": [1, 2]}
    assert fingerprint(**(MARK | {"options": options})) == fingerprint(
        **(MARK | {"options": dict(reversed(options.items()))})
    )


def test_a_child_carries_its_parents_fingerprint(artifact, data):
    parent, child = artifact("student-onnx"), artifact("student-onnx-static")
    manifest = child.manifest
    assert manifest.fingerprint == fingerprint(
        kind=manifest.step,
        options=manifest.options,
        parent=parent.manifest.fingerprint,
        data=data.sha256,
        seed=0,
        generation=2,
    )
    assert [step["name"] for step in manifest.lineage] == ["teacher", "student", "student-onnx"]
    assert manifest.data_sha256 == data.sha256


@pytest.mark.parametrize(
    ("step", "parent", "words"),
    [
        (
            QuantizeOnnx(name="x", mode="static"),
            "teacher",
            r"is torch, but quantize-onnx .*run `packlight export \S+ --out",
        ),
        (Export(name="x"), "teacher-onnx", r"is onnx, but export starts from torch; .*\(teacher\)"),
        (QuantizeTorch(name="x"), "student-torch-int8", r"is torch-int8, but .*\(student\)"),
        (Distill(name="x"), "student-onnx-static", r"is onnx-int8, but .*\(student-onnx\)"),
        (QuantizeOnnx(name="x", mode="dynamic"), "teacher-onnx-int8", r"is onnx-int8, but .*\(teacher-onnx\)"),
    ],
)
def test_a_parent_of_the_wrong_kind_is_refused_with_what_to_do(artifact, step, parent, words):
    with pytest.raises(RecipeError, match=words):
        check_parent(step, artifact(parent))


def test_a_parent_of_the_right_kind_is_not(artifact):
    for step, parent in (
        (Export, "teacher"),
        (Distill, "student"),
        (QuantizeTorch, "teacher"),
        (QuantizeOnnx, "student-onnx"),
    ):
        assert check_parent(step(name="x"), artifact(parent)) is None, "it says nothing, and nothing is raised"


@pytest.mark.parametrize("content", ["a file", "a folder", "a folder in a folder"])
def test_what_is_no_artifact_is_never_replaced(encoder_folder, data, tmp_path, content):
    place = tmp_path / "precious"
    if content == "a file":
        place.write_text("thesis")
    else:
        (place / ("inner" if "in a" in content else "")).mkdir(parents=True)
        (place / "thesis.txt").write_text("thesis")
    with pytest.raises(ArtifactError, match=r"not a packlight artifact; .* give another --out"):
        make_variant(
            Finetune(name="precious"), place, tmp_path / "work", data, checkpoint=resolve(encoder_folder("bert"))
        )
    left = place if content == "a file" else place / "thesis.txt"
    assert left.read_text() == "thesis"


def test_an_empty_folder_is_filled(artifact, data, tmp_path):
    (tmp_path / "onnx").mkdir()
    made, new = make_variant(
        QuantizeOnnx(name="onnx", mode="dynamic", min_agreement=0.5),
        tmp_path / "onnx",
        tmp_path / "work",
        data,
        parent=artifact("student-onnx"),
    )
    assert new
    assert made.manifest.engine == "onnxruntime"
    assert not (tmp_path / "work").exists()


def test_agreement_with_the_parent_is_that_of_all_of_val(artifact, data, tmp_path):
    parent = artifact("student-onnx")
    step = QuantizeOnnx(name="onnx", mode="dynamic", min_agreement=0)
    made, _ = make_variant(step, tmp_path / "onnx", tmp_path / "work", data, parent=parent)
    labels = [
        [engine.predict([text]).argmax() for text in data.val.texts]
        for engine in (open_engine(parent, threads=1), open_engine(made, threads=1))
    ]
    same = [before == after for before, after in zip(*labels, strict=True)]
    assert made.manifest.facts["val_agreement"] == pytest.approx(sum(same) / len(same))


def test_work_of_another_variant_is_not_gone_on_from(artifact, data, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "fingerprint").write_text("of something else")
    (work / "training").mkdir()
    make_variant(
        QuantizeOnnx(name="onnx", mode="dynamic", min_agreement=0.5),
        tmp_path / "onnx",
        work,
        data,
        parent=artifact("student-onnx"),
    )
    assert not work.exists()


def test_the_time_of_an_interrupted_training_counts_up_to_its_last_epoch(encoder_folder, data, tmp_path):
    def make(**more):
        step = Finetune(name="teacher", epochs=2, batch_size=16, max_length=24, bf16=False)
        start = resolve(encoder_folder("bert"))
        return make_variant(step, tmp_path / "teacher", tmp_path / "work", data, checkpoint=start, **more)[0]

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(on_epoch=stop)
    kept = tmp_path / "work" / "seconds"
    assert float(kept.read_text()) > 0
    kept.write_text("1000")
    assert 1000 < make().manifest.seconds < 1900


def test_the_out_of_scope_label_is_inherited(artifact, tmp_path):
    rows = [
        (f"{verb} {number}", label) for label, verb in (("alarm", "wake"), ("music", "play")) for number in range(10)
    ]
    without = dataset_from_rows(rows)
    assert without.oos_label is None
    made, _ = make_variant(
        QuantizeOnnx(name="onnx", mode="dynamic", min_agreement=0),
        tmp_path / "onnx",
        tmp_path / "work",
        without,
        parent=artifact("student-onnx"),
    )
    assert made.manifest.oos_label == "oos"


def test_any_classifier_is_taken_for_a_parent(trained_folder, data, tmp_path):
    folder = tmp_path / "My Model (v2)"
    shutil.copytree(trained_folder("distilbert"), folder)
    adopted = open_parent(str(folder), data, tmp_path / "work")
    assert adopted.name == "My-Model-v2-"
    assert adopted.manifest.step == "finetune"
    check_parent(Export(name="x"), adopted)


def test_an_encoder_or_another_classifier_is_none(encoder_folder, trained_folder, tmp_path):
    rows = [(f"{label} {number}", label) for label in ("buy", "sell") for number in range(9)]
    with pytest.raises(ModelError, match="packlight finetune --model"):
        open_parent(str(encoder_folder("bert")), dataset_from_rows(rows), tmp_path)
    with pytest.raises(ModelError, match=r"(?s)data:  buy, sell\n.*start from the artifact that it makes, or give"):
        open_parent(str(trained_folder("bert")), dataset_from_rows(rows), tmp_path)


def test_two_runs_in_one_folder_are_refused(tmp_path):
    with lock_run(tmp_path / "run"):
        with pytest.raises(PacklightError, match="locked by another process"), lock_run(tmp_path / "run"):
            pass
        with lock_run(tmp_path / "other"):
            pass
    with lock_run(tmp_path / "run"):
        pass


def test_two_processes_do_not_make_one_artifact(tmp_path):
    with lock_artifact(tmp_path / "model") as work:
        assert work == tmp_path / ".model.work"
        with pytest.raises(PacklightError, match="model: locked by another process"), lock_artifact(tmp_path / "model"):
            pass
        with lock_artifact(tmp_path / "model2"):
            pass
        shutil.rmtree(work)
    with lock_artifact(tmp_path / "model"):
        pass


def test_leftovers_are_swept_where_a_run_writes_and_nowhere_else(tmp_path):
    inside = [Path("variants/.a.12345678.draft"), Path(".report.md.12345678.draft"), Path("work/a/.x.12345678.draft")]
    beside = [Path("mine/.a.12345678.draft"), Path("variants/a/onnx/.b.12345678.draft"), Path("variants/.a.draft")]
    for path in (*inside, *beside):
        (tmp_path / path).mkdir(parents=True)
    with lock_run(tmp_path):
        assert not any((tmp_path / path).exists() for path in inside)
        assert all((tmp_path / path).exists() for path in beside)


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(PacklightError, match=r"file/run: cannot be written .*give another --out"),
        lock_run(tmp_path / "file" / "run"),
    ):
        pass


def test_a_training_that_learns_nothing_is_a_warning(tiny, encoder_folder, tmp_path, capsys):
    texts, labels = tiny.toy_texts()
    noise = ["alarm" if place % 4 else label for place, label in enumerate(labels)]
    start = resolve(encoder_folder("bert"))
    for given, warned in ((noise, True), (labels, False)):
        data = dataset_from_rows(list(zip(texts, given, strict=True)))
        make_variant(tiny.options(), tmp_path / str(warned), tmp_path / "work", data, checkpoint=start)
        assert ("toy: no better on val than always predicting 'alarm'" in capsys.readouterr().err) is warned


def test_a_seed_offset_trains_as_another_seed_does(data, encoder_folder, tmp_path):
    start, quick = resolve(str(encoder_folder("bert"))), {"epochs": 1, "threads": 1, "bf16": False}

    def weights(name, *, seed, offset):
        step = Finetune(name=name, seed_offset=offset, **quick)
        artifact, _ = make_variant(step, tmp_path / name, tmp_path / f"{name}.work", data, checkpoint=start, seed=seed)
        return (artifact.path / artifact.manifest.model_file).read_bytes()

    assert weights("a", seed=1, offset=2) == weights("b", seed=3, offset=0)
    assert weights("c", seed=1, offset=0) != weights("d", seed=1, offset=2)
