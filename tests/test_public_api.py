import subprocess
import sys

import pytest

import packlight
from packlight.errors import MissingExtraError


def test_every_public_name_is_there_and_is_what_it_says():
    for name in packlight.__all__:
        value = getattr(packlight, name)
        assert value is getattr(packlight, name)
        if name != "__version__":
            assert value.__name__ == name
            assert value.__doc__
    assert set(packlight.__all__) <= set(dir(packlight))


def test_the_pipeline_gives_its_function_whatever_was_imported_first():
    code = (
        "import packlight.pipeline.runner\n"
        "from packlight.pipeline import run\n"
        "import packlight\n"
        "assert callable(run) and packlight.run is run, run"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'packlight' has no attribute 'squeeze'"):
        packlight.squeeze  # noqa: B018
    with pytest.raises(ImportError):
        from packlight import squeeze  # noqa: F401


@pytest.mark.parametrize("name", ["PerformanceBenchmark", "DistillationTrainer", "run"])
def test_without_torch_the_install_line_is_given(name, monkeypatch):
    monkeypatch.delitem(vars(packlight), name, raising=False)
    monkeypatch.setattr("packlight.extras.installed", lambda module: module != "torch")
    with pytest.raises(MissingExtraError, match=r'pip install -e "\.\[compress\]"'):
        getattr(packlight, name)
