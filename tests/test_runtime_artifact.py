import json
import os
from hashlib import sha256

import msgspec
import pytest

from packlight.errors import ArtifactError
from packlight.runtime.artifact import FORMAT, Artifact, Manifest, finalize, read_labels, read_manifest, write_manifest

CONFIG = {"id2label": {"0": "no", "1": "yes"}}


def manifest(**other):
    fields = {
        "format": FORMAT,
        "name": "student-onnx",
        "parent": "student",
        "step": "export",
        "options": {"opset": 18},
        "lineage": ({"name": "student", "step": "distill", "options": {}},),
        "fingerprint": "0" * 64,
        "data_sha256": "1" * 64,
        "engine": "onnxruntime",
        "precision": "fp32",
        "model_file": "onnx/model.onnx",
        "max_length": 64,
        "oos_label": None,
        "batch_invariant": True,
        "libraries": {"onnxruntime": "1.32.0"},
        "facts": {"parity": {"max_abs_difference": 1e-6}},
    }
    return Manifest(**(fields | other))


@pytest.fixture
def folder(tmp_path):
    """A sealed artifact whose weights are a stand-in."""
    made = tmp_path / "artifact"
    (made / "onnx").mkdir(parents=True)
    (made / "onnx" / "model.onnx").write_bytes(b"weights")
    (made / "config.json").write_text(json.dumps(CONFIG))
    (made / "tokenizer.json").write_text("{}")
    finalize(made, manifest())
    return made


def edit(folder, **values):
    document = json.loads((folder / "packlight.json").read_text())
    (folder / "packlight.json").write_text(json.dumps(document | values))


def test_what_is_sealed_is_opened_as_it_was(folder):
    artifact = Artifact.open(folder)
    assert msgspec.structs.replace(artifact.manifest, files={}) == manifest()
    assert artifact.name == "student-onnx"
    assert artifact.labels == ("no", "yes")
    assert artifact.model_path == folder / "onnx" / "model.onnx"
    assert artifact.tokenizer_path == folder / "tokenizer.json"
    assert set(artifact.manifest.files) == {"config.json", "tokenizer.json", "onnx/model.onnx"}


def test_the_size_is_what_must_be_shipped(folder):
    (folder / "README.md").write_text("a card " * 100)
    finalize(folder, manifest())
    artifact = Artifact.open(folder)
    assert artifact.weights_bytes == len(b"weights")
    assert artifact.size_bytes == len(b"weights") + len(json.dumps(CONFIG)) + len("{}")


def test_the_model_card_may_be_edited(folder):
    (folder / "README.md").write_text("mine")
    assert Artifact.open(folder).name == "student-onnx"


def test_figures_can_be_added_without_touching_the_files(folder):
    before = (folder / "config.json").stat().st_mtime_ns
    write_manifest(folder, msgspec.structs.replace(read_manifest(folder), measurement={"accuracy": 0.9}))
    assert Artifact.open(folder).manifest.measurement == {"accuracy": 0.9}
    assert (folder / "config.json").stat().st_mtime_ns == before


def outside(folder):
    (folder.parent / "secret").write_text("secret")
    edit(folder, files=json.loads((folder / "packlight.json").read_text())["files"] | {"../secret": entry(b"secret")})


def absolute(folder):
    (folder.parent / "secret").write_text("secret")
    files = json.loads((folder / "packlight.json").read_text())["files"]
    edit(folder, files=files | {str(folder.parent / "secret"): entry(b"secret")})


def entry(content):
    return {"size": len(content), "sha256": sha256(content).hexdigest()}


def linked(folder):
    (folder.parent / "weights").write_bytes(b"other weights")
    (folder / "onnx" / "model.onnx").unlink()
    (folder / "onnx" / "model.onnx").symlink_to(folder.parent / "weights")


def unlisted_weights(folder):
    files = json.loads((folder / "packlight.json").read_text())["files"]
    (folder / "onnx" / "model.onnx").unlink()
    edit(folder, files={name: value for name, value in files.items() if name != "onnx/model.onnx"})


def listed_pickle(folder):
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    files = json.loads((folder / "packlight.json").read_text())["files"]
    edit(folder, files=files | {"pytorch_model.bin": entry(b"pickle")})


def same_size(folder):
    (folder / "onnx" / "model.onnx").write_bytes(b"weightz")


SPOIL = {
    "altered, of the same size": (same_size, "onnx/model.onnx was altered"),
    "cut short": (lambda folder: os.truncate(folder / "onnx" / "model.onnx", 3), "onnx/model.onnx was altered"),
    "a file is missing": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    "a file too many": (lambda folder: (folder / "notes.txt").write_text("hi"), "notes.txt is not listed"),
    "a manifest too many": (lambda folder: (folder / "onnx" / "packlight.json").write_text("{}"), "is not listed"),
    "an unlisted pickle": (lambda folder: (folder / "model.pkl").write_bytes(b""), "model.pkl is not listed"),
    "a listed pickle": (listed_pickle, r"\.bin files can contain code"),
    "a listed file outside": (outside, r"\.\./secret is outside the artifact"),
    "an absolute path": (absolute, "secret is outside the artifact"),
    "a link to other content": (linked, "onnx/model.onnx was altered"),
    "weights that are not listed": (unlisted_weights, "lists no onnx/model.onnx"),
    "no manifest": (lambda folder: (folder / "packlight.json").unlink(), "not an artifact"),
    "a manifest that is not UTF-8": (
        lambda folder: (folder / "packlight.json").write_bytes(b'{"name": "\xff"}'),
        "damaged manifest",
    ),
    "a manifest that is no JSON": (lambda folder: (folder / "packlight.json").write_text("{"), "damaged manifest"),
    "a manifest that is a list": (lambda folder: (folder / "packlight.json").write_text("[]"), "format None"),
    "another format": (lambda folder: edit(folder, format=2), "format 2 is not the 1"),
    "an unknown key": (lambda folder: edit(folder, colour="red"), "damaged manifest.*colour"),
    "a wrong type": (lambda folder: edit(folder, max_length="long"), "damaged manifest.*max_length"),
}


def test_an_artifact_of_links_into_the_hubs_cache_opens(folder, tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "0a1b"
    blobs.mkdir()
    for number, file in enumerate(sorted(file for file in folder.rglob("*") if file.is_file())):
        (blobs / str(number)).write_bytes(file.read_bytes())
        link = snapshot / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blobs / str(number), link.parent))
    assert Artifact.open(snapshot).manifest == Artifact.open(folder).manifest
    blob = (snapshot / "onnx" / "model.onnx").resolve()
    blob.write_bytes(blob.read_bytes() + b"x")
    with pytest.raises(ArtifactError, match="was altered"):
        Artifact.open(snapshot)


@pytest.mark.parametrize(("spoil", "message"), SPOIL.values(), ids=SPOIL)
def test_a_spoilt_artifact_is_refused(folder, spoil, message):
    spoil(folder)
    with pytest.raises(ArtifactError, match=message):
        Artifact.open(folder)


def test_a_folder_that_does_not_exist_is_no_artifact(tmp_path):
    with pytest.raises(ArtifactError, match="not an artifact"):
        Artifact.open(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "x/modeling.py", "model.PKL"])
def test_files_that_can_carry_code_are_not_sealed(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    with pytest.raises(ArtifactError, match="can contain code"):
        finalize(folder, manifest())


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"id2label": null}',
        '{"id2label": {"1": "yes"}}',
        '{"id2label": ["no", "yes"]}',
        '{"id2label": {}}',
    ],
)
def test_incomplete_labels_are_refused(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ArtifactError, match="needs id2label with ids from 0"):
        read_labels(tmp_path / "config.json")


def test_labels_keep_their_order_and_letters(tmp_path):
    (tmp_path / "config.json").write_text(
        '{"id2label": {"10": "l", "0": "été", "1": "b c"}}'.replace('"10": "l", ', "")
    )
    assert read_labels(tmp_path / "config.json") == ("été", "b c")
