import dataclasses
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest

from invented import measurements, row
from packlight import extras
from packlight.analysis.summary import summarise
from packlight.errors import ArtifactError, EngineError, MissingExtraError
from packlight.models.hf_model import open_classifier
from packlight.models.torch_int8 import quantize, save_int8
from packlight.report import render_plot
from packlight.report.card.page import render_card
from packlight.runtime import engines
from packlight.runtime import ort_session as onnx_engine
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import engine_infos, engine_types, extras_of, form_of, open_engine
from packlight.runtime.engines.onnxruntime import OnnxEngine
from packlight.runtime.golden import finalize_with_golden, verify
from packlight.runtime.ort_session import default_cache, provider_names
from packlight.runtime.processor import cpu_budget
from packlight.serve.model import Model
from packlight.serve.responses import Name
from packlight.steps import step_types
from packlight.steps.quantize_onnx.options import QuantizeOnnx
from packlight.steps.quantize_onnx.quantize import quantize_onnx

VARIANTS = ("onnxruntime fp32", "onnxruntime int8", "torch fp32", "torch int8", "pipeline")


@pytest.fixture(scope="module")
def artifact(tiny, trained_folder, onnx_file, tmp_path_factory):
    """Variant -> its sealed artifact: one classifier, in every form that an engine opens."""
    source, base = trained_folder("bert"), tmp_path_factory.mktemp("artifacts")
    made = {}

    def make(variant):
        if variant == "pipeline":
            return make("torch fp32")
        if variant not in made:
            engine, precision = variant.split()
            folder = base / variant.replace(" ", "-")
            folder.mkdir()
            for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
                shutil.copyfile(source / name, folder / name)
            file = {"torch": "model", "onnxruntime": "onnx/model"}[engine]
            file += {"fp32": "", "int8": "_int8"}[precision] + {"torch": ".safetensors", "onnxruntime": ".onnx"}[engine]
            (folder / file).parent.mkdir(exist_ok=True)
            if variant == "torch fp32":
                shutil.copyfile(source / "model.safetensors", folder / file)
            elif variant == "torch int8":
                save_int8(quantize(open_classifier(source)), folder / file)
            elif variant == "onnxruntime fp32":
                shutil.copyfile(onnx_file("bert"), folder / file)
            else:
                options = QuantizeOnnx(name="q", mode="dynamic")
                quantize_onnx(onnx_file("bert"), folder / file, options, encoder=None, calibration_texts=())
            made[variant] = tiny.seal_variant(folder, engine=engine, precision=precision, model_file=file)
        return made[variant]

    return make


@pytest.fixture(params=VARIANTS)
def engine(request, artifact):
    """Every engine on every precision that it opens."""
    name = request.param.split()[0]
    return open_engine(artifact(request.param), engine=name, threads=1)


@pytest.fixture
def expected(artifact, tiny):
    """What torch answers to the toy texts, one at a time."""
    torch_engine = open_engine(artifact("torch fp32"), threads=1)
    return np.concatenate([torch_engine.predict([text]) for text in tiny.toy_texts()[0][:40]])


def test_every_engine_gives_the_same_labels(engine, expected, tiny):
    texts = tiny.toy_texts()[0][:40]
    answers = np.concatenate([engine.predict(texts[:1]), engine.predict(texts[1:8]), engine.predict(texts[8:])])
    assert answers.shape == (40, len(tiny.LABELS))
    assert answers.dtype == np.float32
    assert engine.labels == tiny.LABELS
    assert (answers.argmax(1) == expected.argmax(1)).all()


def test_float32_engines_give_the_same_logits(artifact, expected, tiny):
    for name, variant in (("onnxruntime", "onnxruntime fp32"), ("pipeline", "torch fp32")):
        answers = open_engine(artifact(variant), engine=name, threads=1).predict(tiny.toy_texts()[0][:40])
        np.testing.assert_allclose(answers, expected, atol=1e-3)


def test_every_engine_cuts_long_texts_and_takes_empty_and_strange_ones(engine, tiny):
    long = "play " * 500
    answers = engine.predict([long, "", "ἀρχή 🎵 \u202e\x00", "play"])
    assert answers.shape == (4, len(tiny.LABELS))
    assert np.isfinite(answers).all()


def test_every_engine_says_its_name_and_threads(engine):
    assert engine_infos()[engine.info.name] is engine.info
    assert engine.threads == 1


def test_texts_that_were_encoded_apart_share_a_batch(engine, tiny):
    texts = tiny.toy_texts()[0][:5]
    apart = [encoded for text in texts for encoded in engine.encode([text])]
    assert all(len(each) for each in apart)
    assert np.array_equal(engine.logits(apart), engine.predict(texts))


def test_by_default_the_artifact_chooses_the_engine_and_the_budget_the_threads(artifact):
    for variant, name in (("onnxruntime int8", "onnxruntime"), ("torch fp32", "torch"), ("torch int8", "torch")):
        opened = open_engine(artifact(variant))
        assert opened.info.name == name
        assert opened.threads == cpu_budget()


@pytest.mark.parametrize(
    ("variant", "engine", "message"),
    [
        (
            "torch fp32",
            "tensorflow",
            "no engine 'tensorflow'; there are: cascade, onnxruntime, openvino, pipeline, static, torch, torch-compiled",
        ),
        ("torch fp32", "onnxruntime", "was made for torch, and onnxruntime can't open it"),
        ("onnxruntime fp32", "torch", "was made for onnxruntime, and torch can't open it"),
        ("onnxruntime int8", "pipeline", "was made for onnxruntime, and pipeline can't open it"),
        ("torch int8", "pipeline", "pipeline opens fp32 weights, and torch-int8 is int8: use torch"),
    ],
)
def test_an_engine_that_does_not_fit_is_refused(artifact, variant, engine, message):
    with pytest.raises(EngineError, match=message):
        open_engine(artifact(variant), engine=engine)


def test_a_missing_extra_is_named_with_its_install_line(artifact, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r'the torch engine needs torch: pip install -e "\.\[compress\]"'):
        open_engine(artifact("torch fp32"))


def test_onnx_artifacts_are_opened_without_torch(artifact):
    code = (
        "import sys; sys.modules.update(torch=None, transformers=None, onnx=None);"
        "from pathlib import Path; from packlight.runtime.artifact import Artifact; from packlight.runtime.engines import open_engine;"
        f"engine = open_engine(Artifact.open(Path({str(artifact('onnxruntime int8').path)!r})), threads=1);"
        "print(engine.labels[engine.predict(['will it rain in oslo'])[0].argmax()])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "weather"
    assert not done.stderr


def test_an_unknown_provider_is_answered_with_those_that_there_are(artifact):
    with pytest.raises(EngineError, match=r"provider 'tpu' is not available; this onnxruntime has: .*cpu") as caught:
        open_engine(artifact("onnxruntime fp32"), providers=["tpu", "cpu"])
    assert "onnxruntime-gpu for cuda" in str(caught.value)


def test_providers_go_by_word_or_full_name_with_the_cpu_last(monkeypatch):
    available = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnx_engine.onnxruntime, "get_available_providers", lambda: available)
    assert provider_names(["cuda"]) == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert provider_names(["CUDAExecutionProvider"]) == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert provider_names(["Cpu"]) == ["CPUExecutionProvider"]
    assert provider_names(["cpu", "cuda"]) == ["CPUExecutionProvider", "CUDAExecutionProvider"]


def test_a_provider_that_does_not_start_is_no_silent_cpu(artifact, monkeypatch):
    available = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnx_engine.onnxruntime, "get_available_providers", lambda: available)
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnx_engine.onnxruntime,
        "InferenceSession",
        lambda *args, **rest: session(*args, **(rest | {"providers": ["CPUExecutionProvider"]})),
    )
    with pytest.raises(EngineError, match="CUDAExecutionProvider is part of this onnxruntime but did not start"):
        open_engine(artifact("onnxruntime fp32"), providers=["cuda"])


def test_providers_of_onnx_runtime_are_not_ignored_by_torch(artifact):
    with pytest.raises(EngineError, match="torch, which has no execution providers: omit them, or export it to ONNX"):
        open_engine(artifact("torch fp32"), providers=["cuda"])
    assert open_engine(artifact("torch fp32"), providers=["CPUExecutionProvider"]).info.name == "torch"


@pytest.fixture
def opened(monkeypatch):
    """The files that ONNX Runtime is asked to open, in order."""
    files = []
    session = onnxruntime.InferenceSession

    def watched(file, *args, **rest):
        files.append(Path(file))
        return session(file, *args, **rest)

    monkeypatch.setattr(onnx_engine.onnxruntime, "InferenceSession", watched)
    return files


def test_the_optimised_graph_is_kept_and_used(artifact, opened, tmp_path, tiny):
    int8, texts = artifact("onnxruntime int8"), tiny.toy_texts()[0][:5]
    first = OnnxEngine(int8, threads=1, cache=tmp_path / "graphs").predict(texts)
    graph, seal = sorted((tmp_path / "graphs").iterdir())
    assert (graph.suffix, seal.suffix) == (".onnx", ".sha256")
    second = OnnxEngine(int8, threads=1, cache=tmp_path / "graphs").predict(texts)
    assert opened == [int8.model_path, graph]
    assert np.array_equal(first, second)


def test_the_runtime_does_not_join_additions_with_layer_norms(artifact, tmp_path):
    """Its operator for both takes several times as long (docs/decisions/0017)."""
    OnnxEngine(artifact("onnxruntime int8"), threads=1, cache=tmp_path)
    (kept,) = tmp_path.glob("*.onnx")
    kinds = [node.op_type for node in onnx.load_model(kept).graph.node]
    assert kinds.count("LayerNormalization") >= 5
    assert "SkipLayerNormalization" not in kinds


def test_another_artifact_has_another_graph(artifact, tmp_path):
    for variant in ("onnxruntime int8", "onnxruntime fp32"):
        OnnxEngine(artifact(variant), threads=1, cache=tmp_path)
    assert len(list(tmp_path.glob("*.onnx"))) == 2


TAMPER = {
    "cut short": lambda graph, _: graph.write_bytes(graph.read_bytes()[:100]),
    "another graph": lambda graph, _: graph.write_bytes(graph.read_bytes() + b"\0"),
    "no seal": lambda _, seal: seal.unlink(),
    "another seal": lambda _, seal: seal.write_text(hashlib.sha256(b"").hexdigest()),
}


@pytest.mark.parametrize("tamper", TAMPER.values(), ids=TAMPER)
def test_a_kept_graph_that_was_altered_is_made_anew(artifact, opened, tmp_path, tamper):
    int8 = artifact("onnxruntime int8")
    OnnxEngine(int8, threads=1, cache=tmp_path)
    graph, seal = sorted(tmp_path.iterdir())
    tamper(graph, seal)
    OnnxEngine(int8, threads=1, cache=tmp_path)
    OnnxEngine(int8, threads=1, cache=tmp_path)
    assert opened == [int8.model_path, int8.model_path, graph]


def test_without_a_place_for_the_graph_it_works_all_the_same(artifact, tmp_path, tiny):
    (tmp_path / "file").write_text("no folder")
    engine = OnnxEngine(artifact("onnxruntime int8"), threads=1, cache=tmp_path / "file" / "graphs")
    assert engine.predict(["play"]).shape == (1, len(tiny.LABELS))
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_without_room_for_the_graph_it_works_all_the_same(artifact, tmp_path, tiny):
    resource = pytest.importorskip("resource", reason="only POSIX bounds the size of files")
    bounds = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, bounds[1]))
    try:
        engine = OnnxEngine(artifact("onnxruntime int8"), threads=1, cache=tmp_path / "graphs")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, bounds)
    assert engine.predict(["play"]).shape == (1, len(tiny.LABELS))
    assert not list((tmp_path / "graphs").iterdir())


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("PACKLIGHT_CACHE", str(tmp_path))
    assert default_cache() == tmp_path / "graphs"
    monkeypatch.delenv("PACKLIGHT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache() == tmp_path / "xdg" / "packlight" / "graphs"


def test_a_graph_that_is_none_is_refused_by_name(artifact, tiny, tmp_path):
    folder = shutil.copytree(artifact("onnxruntime fp32").path, tmp_path / "broken")
    (folder / "onnx" / "model.onnx").write_bytes(b"no graph")
    broken = tiny.seal_variant(folder, engine="onnxruntime", model_file="onnx/model.onnx")
    with pytest.raises(ArtifactError, match=r"model\.onnx: ONNX Runtime cannot open it"):
        open_engine(broken)


def test_the_forms_are_those_that_steps_name(artifact):
    forms = {variant: form_of(artifact(variant).manifest) for variant in VARIANTS[:4]}
    assert list(forms.values()) == ["onnx", "onnx-int8", "torch", "torch-int8"]
    known = {form for step in step_types().values() for form in (*step.needs, step.makes)}
    assert {*forms.values(), form_of(artifact("torch fp32").manifest)} <= known


def test_extras_follow_from_the_libraries_of_the_engine(artifact):
    assert extras_of(artifact("torch int8")) == ("compress",)
    assert extras_of(artifact("onnxruntime int8")) == ()


def test_every_engine_is_described_without_any_of_its_libraries():
    modules = {module for info in engine_infos().values() for module in info.modules}
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(modules)!r}));"
        "from packlight.runtime.engines import engine_infos;"
        "print(*engine_infos())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(engine_infos())
    assert {"torch", "onnxruntime", "openvino"} <= modules


@pytest.mark.parametrize("name", [info.name for info in engine_infos().values() if info.modules])
def test_an_engine_whose_library_is_missing_says_how_to_install_it(name, artifact, monkeypatch):
    info = engine_infos()[name]
    manifest = msgspec.structs.replace(artifact("torch fp32").manifest, engine=name)
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=rf"the {name} engine needs {info.modules[0]}: pip install"):
        open_engine(dataclasses.replace(artifact("torch fp32"), manifest=manifest))


TOY = """
from collections.abc import Sequence

import numpy as np

from packlight.runtime.engine import Engine, EngineInfo, LoadingCode, Logits


class ToyEngine(Engine[str]):
    info = EngineInfo(
        name="toy",
        label="Toy Runtime",
        colour="#123456",
        form="toy",
        modules=("json",),
        length_unit="words",
        hub_tags=("toy-tag",),
        loading_code=LoadingCode(title="toys", packages=("toys",), write=lambda manifest, text: f"toys.run({text!r})"),
    )

    def __init__(self, artifact, *, threads=None):
        self.labels, self.threads = artifact.labels, threads or 1

    def encode(self, texts):
        return list(texts)

    def logits(self, encoded):
        return np.array([[len(text) == place for place in range(len(self.labels))] for text in encoded], np.float32)
"""


@pytest.fixture
def toy(artifact, tiny, tmp_path, monkeypatch):
    """An artifact for an engine whose module lies beside packlight's own; sealed with golden texts."""
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "toy.py").write_text(TOY)
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(tmp_path / "engines")])
    monkeypatch.delitem(sys.modules, "packlight.runtime.engines.toy", raising=False)
    engine_types.cache_clear()
    folder = shutil.copytree(artifact("torch fp32").path, tmp_path / "toy")
    made = tiny.seal_variant(folder, engine="toy")
    finalize_with_golden(folder, made.manifest)
    yield Artifact.open(folder)
    engine_types.cache_clear()
    sys.modules.pop("packlight.runtime.engines.toy", None)


def test_a_new_engine_is_one_file(toy):
    """It opens, verifies itself, is served, and stands in the legend and in the model card."""
    assert open_engine(toy).predict(["ab", ""]).argmax(axis=1).tolist() == [2, 0]
    assert form_of(toy.manifest) == "toy"
    assert verify(toy.path).labels_changed == 0
    served = Model.open(Name("toy", "1"), toy.path)
    assert served.answers(served.logits(served.encode(["abc"]))).chosen == [toy.labels[3]]
    summary = summarise(measurements(row("toy", engine="toy"), row("torch", engine="torch")))
    drawing = render_plot(summary)
    assert "#123456" in drawing
    assert "Toy Runtime" in drawing
    card = render_card(toy, measurements(row("toy", engine="toy")))
    assert "for Toy Runtime (fp32)" in card
    assert "toy-tag" in card
    assert "toys.run('where is my package')" in card
    assert "Texts are truncated to 24 words" in card
