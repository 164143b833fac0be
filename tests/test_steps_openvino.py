import pytest

from packlight import extras
from packlight.errors import ArtifactError, EngineError, MissingExtraError
from packlight.pipeline.variant import make_variant
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
