import pytest

import packlight
from packlight.errors import ParityError
from packlight.runtime.engines import open_engine


def test_linear_layers_become_int8_and_predict_nearly_as_before(tiny, trained_folder, tmp_path):
    artifact = packlight.quantize_torch(
        trained_folder("bert"), tiny.toy_texts(), out=tmp_path / "int8", min_agreement=0.5
    )
    assert (artifact.manifest.engine, artifact.manifest.precision) == ("torch", "int8")
    assert artifact.manifest.options == {"min_agreement": 0.5}
    assert artifact.manifest.facts["val_agreement"] >= 0.5
    assert open_engine(artifact).predict(["why is oslo"]).shape == (1, len(artifact.labels))


def test_too_few_labels_kept_are_refused(tiny, trained_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("packlight.steps.agreement.np.mean", lambda _: 0.5)
    with pytest.raises(ParityError, match=r"fewer than `min_agreement` 90.0%"):
        packlight.quantize_torch(trained_folder("bert"), tiny.toy_texts(), out=tmp_path / "int8")
    assert not (tmp_path / "int8").exists()
