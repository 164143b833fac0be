import numpy as np
import pytest

from packlight import extras
from packlight.errors import ArtifactError, EngineError, MissingExtraError
from packlight.pipeline.variant import make_variant
from packlight.runtime.artifact import OPENVINO_GRAPH
from packlight.runtime.engines import open_engine
from packlight.steps.openvino.options import OpenVino

pytest_plugins = ["tiny_run"]


def test_openvino_answers_like_torch(teacher, data, tmp_path):
    pytest.importorskip("openvino")
    step = OpenVino(name="teacher-openvino")
    made, _ = make_variant(step, tmp_path / "made", tmp_path / "work", data, parent=teacher)
    assert (made.manifest.engine, made.manifest.model_file) == ("openvino", "openvino/model.safetensors")
    assert made.weights_bytes > 0
    texts = list(data.val.texts)
    wanted = open_engine(teacher, threads=1).predict(texts)
    engine = open_engine(made, threads=1)
    assert engine.predict(texts) == pytest.approx(wanted, abs=1e-3)
    first = engine.predict(texts[:1])
    engine.predict(texts[1:2])
    assert first == pytest.approx(wanted[:1], abs=1e-3), "an answer must not change with the next one"
    with pytest.raises(EngineError, match="made for openvino, and torch can't open it"):
        open_engine(made, engine="torch")


def test_int8_quantizes_weights_and_activations_and_keeps_the_labels(teacher, data, tmp_path):
    pytest.importorskip("nncf")
    step = OpenVino(name="teacher-openvino-int8", precision="int8", calibration_texts=16)
    made, _ = make_variant(step, tmp_path / "made", tmp_path / "work", data, parent=teacher)
    assert made.manifest.precision == "int8"
    graph = (made.path / OPENVINO_GRAPH).read_text()
    assert graph.count('type="FakeQuantize"') > 2, "the activations' ranges are in the graph"
    assert 'element_type="i8"' in graph, "the weights are stored in int8"
    texts = list(data.val.texts)
    engine = open_engine(made, threads=1)
    alone = np.concatenate([engine.predict([text]) for text in texts])
    wanted = open_engine(teacher, threads=1).predict(texts)
    assert (alone.argmax(1) == wanted.argmax(1)).mean() >= 0.9
    assert alone != pytest.approx(wanted, abs=1e-5), "float32 would be this close"
    assert engine.predict(texts).argmax(1).tolist() == alone.argmax(1).tolist()


def test_a_damaged_openvino_file_is_an_artifact_error(tmp_path):
    pytest.importorskip("openvino")
    from packlight.runtime.engines import openvino

    broken = tmp_path / "model.safetensors"
    broken.write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="has no weights of an OpenVINO graph"):
        openvino._read_weights(broken)


@pytest.mark.parametrize("missing", ["openvino", "nncf"])
def test_without_its_libraries_the_install_line_is_given(monkeypatch, missing):
    monkeypatch.setattr(extras, "installed", lambda name: name != missing)
    with pytest.raises(MissingExtraError, match=rf"`openvino` needs {missing}: pip install .*openvino"):
        OpenVino(name="vino").check_machine()
