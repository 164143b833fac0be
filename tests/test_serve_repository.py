import asyncio
import json
import shutil
from types import SimpleNamespace

import msgspec
import pytest

from packlight.errors import ArtifactError
from packlight.runtime.artifact import ONNX_INT8, Artifact, finalize, read_manifest
from packlight.serve.batcher import Batcher
from packlight.serve.external import refuse_external_data
from packlight.serve.http_errors import HTTPError
from packlight.serve.logs import Log
from packlight.serve.metrics import Metrics
from packlight.serve.observer import Observer
from packlight.serve.repository import Repository, find, verify
from packlight.serve.responses import Name
from packlight.serve.settings import Limits

pytest_plugins = ["tiny_run"]


class Heard:
    def __init__(self):
        self.said = []

    def loaded(self, name):
        self.said.append(("loaded", *name))

    def refused(self, name, reason):
        assert reason
        self.said.append(("refused", *name))

    def removed(self, name):
        self.said.append(("removed", *name))


@pytest.fixture
def artifact(tiny_run):
    return tiny_run / "variants" / "student-onnx-static"


def repository(path, heard=None, name=None):
    return Repository(path, name, lambda model: Batcher(model, Limits()), heard or Heard())


def look(repository, times=2):
    async def looks():
        for _ in range(times):
            await repository.refresh()

    asyncio.run(looks())


def answer(served, text="wake me at seven"):
    return served.model.answers(served.model.logits(served.model.encode([text]))).chosen[0]


def test_one_artifact_is_version_1_under_its_own_or_a_given_name(artifact):
    assert list(find(artifact)) == [Name("student-onnx-static", "1")]
    assert list(find(artifact, "intent")) == [Name("intent", "1")]


def test_a_folder_of_names_and_versions(artifact, tmp_path):
    for place in ("intent/2", "intent/10", "plain", ".draft/1", "intent/.half"):
        shutil.copytree(artifact, tmp_path / place)
    opened = repository(tmp_path)
    opened.open_all()
    assert opened.versions("intent") == ["2", "10"]
    assert opened.get("intent").model.name == Name("intent", "10")
    assert opened.get("intent", "2").model.name.version == "2"
    assert opened.get("plain").model.name.version == "1"
    for model, version in (("other", None), ("intent", "3"), (".draft", None)):
        with pytest.raises(HTTPError) as caught:
            opened.get(model, version)
        assert caught.value.status == 404
    with pytest.raises(HTTPError, match="several"):
        opened.only()


def test_every_version_that_a_worker_opens_at_its_start_is_counted_and_logged(artifact, tmp_path):
    for version in ("1", "2", "10"):
        shutil.copytree(artifact, tmp_path / "intent" / version)
    opened, metrics, lines = repository(tmp_path), Metrics(), []
    opened.open_all()
    writer = SimpleNamespace(dropped=0, write=lambda data, _: lines.append(data))
    Observer(metrics, Log(access=False, writer=writer), None).started(opened)
    assert metrics.loads == {("intent", "loaded"): 3}
    assert {model["version"] for model in json.loads(lines[0])["models"]} == {"1", "2", "10"}


def test_the_start_refuses_what_is_not_whole(artifact, tmp_path):
    with pytest.raises(ArtifactError, match="no artifact in it"):
        verify(tmp_path)
    other = tmp_path / "two words"
    other.mkdir()
    (other / "config.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"a transformers model.*finetune --model '.*/two words' --data YOUR_TEXTS"):
        verify(other)
    bad = shutil.copytree(artifact, tmp_path / "bad")
    with (bad / "onnx/model_quantized.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ArtifactError, match="altered"):
        verify(bad)
    unknown = shutil.copytree(artifact, tmp_path / "unknown")
    manifest = unknown / "packlight.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(ArtifactError, match="99"):
        verify(unknown)
    external = shutil.copytree(artifact, tmp_path / "external")
    (external / "onnx/model.onnx.data").write_bytes(b"weights beside the graph")
    with pytest.raises(ArtifactError, match="not listed"):
        verify(external)


def test_a_new_version_takes_over_and_a_broken_one_is_refused(artifact, tiny_run, tmp_path):
    shutil.copytree(artifact, tmp_path / "intent/1")
    heard = Heard()
    opened = repository(tmp_path, heard)
    opened.open_all()
    before = opened.get("intent")
    look(opened)
    assert opened.get("intent") is before
    assert heard.said == []

    shutil.copytree(tiny_run / "variants/teacher-onnx", tmp_path / "intent/2")
    look(opened, 1)
    assert opened.get("intent") is before, "a folder that may still be written is not opened"
    look(opened, 1)
    assert opened.get("intent").model.name.version == "2"
    assert heard.said == [("loaded", "intent", "2")]
    assert answer(opened.get("intent", "1")) == answer(before)

    broken = shutil.copytree(artifact, tmp_path / "intent/3")
    (broken / "tokenizer.json").write_text("{}")
    look(opened, 4)
    assert opened.get("intent").model.name.version == "2"
    assert heard.said[1:] == [("refused", "intent", "3")], "it is said once, not at each look"

    shutil.copy(artifact / "tokenizer.json", broken / "tokenizer.json")
    look(opened)
    assert opened.get("intent").model.name.version == "3"

    shutil.rmtree(broken)
    look(opened)
    assert opened.get("intent").model.name.version == "2"
    assert heard.said[-1] == ("removed", "intent", "3")


def test_an_artifact_that_is_replaced_in_its_place_is_reloaded(artifact, tiny_run, tmp_path):
    place = shutil.copytree(artifact, tmp_path / "artifact")
    opened = repository(place, name="intent")
    opened.open_all()
    before = opened.get("intent")
    place.rename(tmp_path / "old")
    look(opened, 1)
    assert opened.get("intent") is before, "one look without it is a replacement under way"
    shutil.copytree(tiny_run / "variants/teacher-onnx", place)
    look(opened)
    assert opened.get("intent").model.artifact.manifest.name == "teacher-onnx"
    assert before.model.labels


def test_weights_in_another_file_are_refused_even_when_listed(artifact, tmp_path):
    onnx = pytest.importorskip("onnx")
    place = shutil.copytree(artifact, tmp_path / "artifact")
    model = onnx.load(place / "onnx/model_quantized.onnx")
    onnx.save_model(
        model,
        place / "onnx/model_quantized.onnx",
        save_as_external_data=True,
        location="weights.data",
        size_threshold=0,
    )
    finalize(place, read_manifest(place))
    with pytest.raises(ArtifactError, match="external data"):
        verify(place)
    shutil.copytree(artifact, tmp_path / "models/intent/1")
    heard = Heard()
    opened = repository(tmp_path / "models", heard)
    opened.open_all()
    shutil.copytree(place, tmp_path / "models/intent/2")
    look(opened, 3)
    assert heard.said == [("refused", "intent", "2")]


def that_does_not_open(artifact, place):
    shutil.copytree(artifact, place)
    (place / ONNX_INT8).write_bytes(b"no graph")
    finalize(place, read_manifest(place))


def test_a_worker_serves_what_opens_and_refuses_the_rest(artifact, tmp_path):
    shutil.copytree(artifact, tmp_path / "intent/1")
    that_does_not_open(artifact, tmp_path / "intent/2")
    broken = shutil.copytree(artifact, tmp_path / "intent/3")
    (broken / "tokenizer.json").write_text("{}")
    heard = Heard()
    opened = repository(tmp_path, heard)
    opened.open_all()
    assert opened.versions("intent") == ["1"]
    look(opened, 3)
    assert heard.said == [("refused", "intent", "2"), ("refused", "intent", "3")], "it is said once"
    shutil.rmtree(tmp_path / "intent/1")
    with pytest.raises(ArtifactError, match="cannot open it"):
        repository(tmp_path).open_all()
    with pytest.raises(ArtifactError, match="no artifact in it"):
        repository(tmp_path / "nothing").open_all()


def test_a_version_that_raises_what_nobody_expects_is_refused_once(artifact, tmp_path, monkeypatch):
    shutil.copytree(artifact, tmp_path / "intent/1")
    heard = Heard()
    opened = repository(tmp_path, heard)
    opened.open_all()
    shutil.copytree(artifact, tmp_path / "intent/2")

    def fail(*_):
        raise RuntimeError("the runtime's own")

    monkeypatch.setattr("packlight.serve.repository.Model.open", fail)
    look(opened, 4)
    assert heard.said == [("refused", "intent", "2")]


def test_a_cascades_parts_are_no_versions(artifact, tmp_path):
    for place in ("intent", "intent/first", "intent/second", "other/2"):
        shutil.copytree(artifact, tmp_path / place)
    assert list(find(tmp_path)) == [Name("intent", "1"), Name("other", "2")]


def with_graph(artifact, place, name, content):
    """A copy whose graph has another name and content."""
    shutil.copytree(artifact, place)
    (place / name).write_bytes(content)
    return finalize(place, msgspec.structs.replace(read_manifest(place), model_file=name))


@pytest.mark.parametrize(
    "entry",
    [
        b"\x0a\x08location\x12\x03a.b",
        b"\x12\x03a.b\x0a\x08location",
        b"\x8a\x80\x00\x88\x80\x80\x00location\x12\x03a.b",
        b"location \x0a\x08location",
    ],
)
@pytest.mark.parametrize("name", ["graph.onnx", "graph", "graph.json", "graph.safetensors"])
def test_weights_in_another_file_are_found_however_they_are_written(artifact, tmp_path, entry, name):
    with_graph(artifact, tmp_path / "artifact", name, b"before" + entry)
    with pytest.raises(ArtifactError, match="external data"):
        verify(tmp_path / "artifact")


def test_what_only_looks_like_it_is_served(artifact, tmp_path):
    with_graph(artifact, tmp_path / "artifact", "graph.onnx", b"location \x0a\x09locations \x0b\x08location")
    (tmp_path / "artifact/spiece.model").write_bytes(b"\x0a\x08location")
    (tmp_path / "artifact/merges.dat").touch()
    finalize(tmp_path / "artifact", read_manifest(tmp_path / "artifact"))
    refuse_external_data(Artifact.open(tmp_path / "artifact"))


def test_an_empty_graph_is_refused_in_words(artifact, tmp_path):
    with_graph(artifact, tmp_path / "artifact", "graph.onnx", b"")
    with pytest.raises(ArtifactError, match=r"graph\.onnx: is missing or empty"):
        verify(tmp_path / "artifact")
