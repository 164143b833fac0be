"""Golden texts: what an artifact carries to test itself, what the replay finds, and a server that does not trust its model."""

import asyncio
import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from packlight.cli import main
from packlight.errors import ArtifactError
from packlight.files import sha256_of
from packlight.runtime import artifact as artifact_module
from packlight.runtime.artifact import ONNX_FP32, Artifact, finalize, read_manifest
from packlight.runtime.engine import Engine
from packlight.runtime.engines.onnxruntime import OnnxEngine
from packlight.runtime.golden import FILE, TEXTS, Golden, ReplayError, finalize_with_golden, has_golden, replay, verify
from packlight.runtime.predictor import Predictor
from packlight.serve.app import App
from packlight.serve.batcher import Batcher
from packlight.serve.keys import Keys
from packlight.serve.model import Model
from packlight.serve.repository import Repository
from packlight.serve.responses import Name
from packlight.serve.settings import Limits, Settings


@pytest.fixture(scope="session")
def made(tiny, trained_folder, onnx_file, tmp_path_factory):
    """An ONNX artifact with its golden texts; not to be written to."""
    folder = tmp_path_factory.mktemp("golden") / "onnx"
    (folder / "onnx").mkdir(parents=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(trained_folder("bert") / name, folder / name)
    shutil.copyfile(onnx_file("bert"), folder / ONNX_FP32)
    artifact = tiny.seal_variant(folder, engine="onnxruntime", model_file=ONNX_FP32)
    finalize_with_golden(folder, artifact.manifest)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "onnx")
    return tmp_path / "onnx"


def damage_weights(folder):
    """Change the last layer, and make the hashes fit again."""
    model = onnx.load_model(folder / ONNX_FP32)
    weights = [each for each in model.graph.initializer if each.data_type == onnx.TensorProto.FLOAT and each.dims]
    weights[-1].CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weights[-1]) + 0.3, weights[-1].name))
    onnx.save_model(model, folder / ONNX_FP32)
    finalize(folder, read_manifest(folder))


def change_tokenizer(folder):
    """Let the tokenizer keep capitals, and make the hashes fit again."""
    file = folder / "tokenizer.json"
    document = json.loads(file.read_text())
    document["normalizer"] = None
    file.write_text(json.dumps(document))
    finalize(folder, read_manifest(folder))


class Altered(Engine):
    """An engine whose logits come out otherwise."""

    def __init__(self, engine, alter):
        self.encode, self._engine, self._alter = engine.encode, engine, alter

    def logits(self, encoded):
        return self._alter(self._engine.logits(encoded))


def test_a_made_artifact_answers_as_it_did(made):
    found = verify(made)
    assert (found.texts, found.labels_changed) == (TEXTS, 0)
    assert found.distance <= found.largest_difference < found.tolerance == 1e-3
    assert has_golden(Artifact.open(made))
    assert FILE in Artifact.open(made).manifest.files


def test_the_same_artifact_has_the_same_golden_file(made, folder):
    finalize_with_golden(folder, read_manifest(folder))
    assert (folder / FILE).read_bytes() == (made / FILE).read_bytes()


def test_each_file_is_hashed_once(folder, monkeypatch):
    hashed = []
    monkeypatch.setattr(artifact_module, "sha256_of", lambda file: hashed.append(file.name) or sha256_of(file))
    manifest = finalize_with_golden(folder, read_manifest(folder))
    assert sorted(hashed) == sorted(Path(name).name for name in manifest.files)
    assert Artifact.open(folder).manifest == manifest


def test_the_texts_are_nobodys(made, tiny):
    golden = msgspec.json.decode((made / FILE).read_bytes(), type=Golden)
    assert set(golden.texts).isdisjoint(tiny.toy_texts()[0])
    assert any(not text.isascii() for text in golden.texts)


def test_damaged_weights_are_found_though_their_hash_fits(folder):
    damage_weights(folder)
    Artifact.open(folder)
    with pytest.raises(ReplayError, match=r"logits differ by .*weights were changed, or this processor"):
        verify(folder)


def test_another_tokenizer_is_found(folder):
    change_tokenizer(folder)
    with pytest.raises(ReplayError, match=r"token ids differ: .*tokenizer was changed"):
        verify(folder)


@pytest.mark.parametrize(
    "fake",
    [
        lambda logits: logits + np.float32(0.01),
        lambda logits: logits * np.float32("nan"),
        lambda logits: logits[:, ::-1],
        lambda logits: logits[:, :-1],
    ],
)
def test_a_runtime_that_computes_otherwise_is_found(made, fake):
    predictor = Predictor.open(made)
    with pytest.raises(ReplayError):
        replay(predictor.artifact, Altered(predictor.engine, fake))


def test_rounding_is_let_pass(made):
    predictor = Predictor.open(made)
    found = replay(predictor.artifact, Altered(predictor.engine, lambda logits: logits + np.float32(1e-5)))
    assert 0 < found.distance < 1e-4


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_artifact_without_finite_logits_is_never_made(folder, value):
    graph = onnx.load(folder / ONNX_FP32)
    for tensor in graph.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 1:
            tensor.CopyFrom(numpy_helper.from_array(np.full_like(values, value), tensor.name))
    onnx.save(graph, folder / ONNX_FP32)
    with pytest.raises(ArtifactError, match=r"logits are not finite for 64 of 64 golden texts.*learning rate"):
        finalize_with_golden(folder, read_manifest(folder))


def test_a_promise_about_batches_is_kept_only_where_it_holds(folder, monkeypatch):
    manifest = read_manifest(folder)
    assert finalize_with_golden(folder, manifest).batch_invariant
    whole = OnnxEngine.logits
    # As if the other texts of a batch changed a prediction.
    monkeypatch.setattr(
        OnnxEngine, "logits", lambda self, encoded: whole(self, encoded) * (1 + 0.1 * (len(encoded) > 1))
    )
    assert not finalize_with_golden(folder, manifest).batch_invariant


def test_an_artifact_without_golden_texts_cannot_be_verified(folder):
    (folder / FILE).unlink()
    finalize(folder, read_manifest(folder))
    with pytest.raises(ArtifactError, match="has no golden texts"):
        verify(folder)
    assert Model.open(Name("plain", "1"), folder).labels, "it is served all the same"


@pytest.mark.parametrize("content", ["{", '{"format": 2}', None])
def test_a_damaged_golden_file_is_said(folder, content):
    golden = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(content or json.dumps(golden | {"logits": golden["logits"][:-8]}))
    finalize(folder, read_manifest(folder))
    with pytest.raises(ArtifactError, match=r"golden.json: is damaged"):
        verify(folder)


def test_opening_a_predictor_replays_nothing(folder):
    damage_weights(folder)
    Predictor.open(folder)


@pytest.mark.parametrize(
    ("harm", "status", "words"), [(None, 0, "64 golden texts"), (damage_weights, 2, "logits differ")]
)
def test_the_verb_says_what_it_found(folder, capsys, monkeypatch, harm, status, words):
    if harm:
        harm(folder)
    monkeypatch.setattr("sys.argv", ["packlight", "verify", str(folder)])
    try:
        code = main()
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    assert (code or 0) == status
    assert words in " ".join((said.out + said.err).split())


def ready(app, path="/v2/health/ready"):
    """What readiness answers: status and body."""
    answered = []

    async def ask():
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}

        async def send(message):
            answered.append(message)

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        await app(scope, receive, send)

    asyncio.run(ask())
    return answered[0]["status"], json.loads(b"".join(each.get("body", b"") for each in answered[1:]))


def served(path, tmp_path):
    runtime = tmp_path / "runtime"
    runtime.mkdir(exist_ok=True)
    app = App(Settings(path=str(path), runtime=str(runtime), reload_seconds=0), Keys([]))

    async def begin():
        app.lifespan.begin(asyncio.get_running_loop())

    asyncio.run(begin())
    return app


def test_a_server_whose_replay_fails_is_not_ready_and_says_why(folder, tmp_path):
    damage_weights(folder)
    app = served(folder, tmp_path)
    assert ready(app, "/v2/models/onnx/ready")[0] == 503
    status, body = ready(app)
    assert (status, body["ready"]) == (503, False)
    assert body["error"].startswith("onnx, version 1: logits differ by")
    assert str(tmp_path) not in body["error"], "anybody may ask; a path is none of their business"


def test_a_server_whose_replay_succeeds_is_ready(folder, tmp_path):
    assert ready(served(folder, tmp_path)) == (200, {"ready": True})


def test_an_older_version_that_is_trusted_goes_on(made, tmp_path):
    for version in ("1", "2"):
        shutil.copytree(made, tmp_path / "models" / "intent" / version)
    damage_weights(tmp_path / "models" / "intent" / "2")

    class Heard:
        reasons: tuple[str, ...] = ()

        def refused(self, name, reason):
            self.reasons += (f"{name.version}: {reason}",)

    repository = Repository(Path(tmp_path / "models"), None, lambda model: Batcher(model, Limits()), Heard())
    repository.open_all()
    assert repository.versions("intent") == ["1"]
    assert repository.untrusted() is None
