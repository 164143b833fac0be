import json
import tomllib
from pathlib import Path

import pytest

from packlight import extras
from packlight.errors import MissingExtraError
from packlight.extras import EXTRA_OF, installed, load, require

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]


def test_what_is_installed_is_loaded():
    assert installed("json")
    assert not installed("no_such_module")
    assert load("json", "reading") is json
    assert load("json.decoder", "reading") is json.decoder


@pytest.mark.parametrize(("module", "extra"), EXTRA_OF.items())
def test_a_missing_module_is_answered_with_its_install_line(monkeypatch, module, extra):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError) as caught:
        require(module, purpose="the plot")
    assert str(caught.value) == f'the plot needs {module}: pip install -e ".[{extra}]"'
    with pytest.raises(MissingExtraError):
        load(f"{module}.part", "the plot")


@pytest.mark.parametrize(("module", "extra"), EXTRA_OF.items())
def test_every_extra_installs_what_it_is_named_for(module, extra):
    package = {"sklearn": "scikit-learn"}.get(module, module.replace("_", "-"))
    wanted = PROJECT["optional-dependencies"][extra]
    assert any(line.startswith(package) for line in wanted)
