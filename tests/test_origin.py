import pytest

from packlight import origin


@pytest.fixture
def outside(monkeypatch, tmp_path):
    """packlight as if it lay in site-packages, installed from `direct_url`."""

    def install(direct_url):
        monkeypatch.setattr(origin, "PACKAGE", tmp_path / "lib" / "site-packages" / "packlight")
        found = type("Found", (), {"read_text": lambda _self, _name: direct_url})()
        monkeypatch.setattr(origin, "installation", lambda: found)

    return install


def test_in_a_clone_extras_are_installed_from_the_clone(monkeypatch, tmp_path):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(origin, "PACKAGE", tmp_path / "src" / "packlight")
    assert origin.install_line("compress", "search") == 'pip install -e ".[compress,search]"'
    assert origin.install_line() == 'pip install -e "."'


def test_from_a_wheel_extras_are_installed_from_the_wheel(outside):
    outside('{"url": "file:///home/someone/packlight.whl"}')
    assert origin.install_line("report") == f'pip install "./{origin.WHEEL}[report]"'


def test_from_an_index_extras_are_installed_from_that_index(outside):
    outside(None)
    assert origin.install_line("report") == 'pip install "packlight[report]"'
