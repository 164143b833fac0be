import pytest

from packlight.errors import EngineError
from packlight.pipeline.variant import make_variant
from packlight.runtime.engines import open_engine, torch_compiled
from packlight.steps.compile.options import Compile

pytest_plugins = ["tiny_run"]


def test_what_it_makes_is_opened_compiled(teacher, data, tmp_path):
    step = Compile(name="teacher-compiled")
    made, _ = make_variant(step, tmp_path / "compiled", tmp_path / "work", data, parent=teacher)
    assert (made.manifest.engine, made.manifest.parent, made.manifest.step) == ("torch-compiled", "teacher", "compile")
    assert [step["name"] for step in made.manifest.lineage] == ["teacher"]
    with pytest.MonkeyPatch.context() as patch:
        # Compiling takes most of a minute; that the engine asks for it is what is tested here.
        asked = []
        patch.setattr("torch.compile", lambda model, **how: asked.append(how) or model)
        patch.setattr(torch_compiled, "check_compiler", lambda: None)
        engine = open_engine(made, threads=1)
    assert asked == [{"dynamic": True}]
    assert engine.info.name == "torch-compiled"
    texts = ["wake me at seven", "rain"]
    assert engine.predict(texts) == pytest.approx(open_engine(teacher, threads=1).predict(texts))


def test_a_compiler_that_fails_is_an_engine_error(teacher, monkeypatch):
    def broken(_model, **_how):
        def fail(**_inputs):
            raise RuntimeError("g++: exec format error\nmore")

        return fail

    monkeypatch.setattr(torch_compiled, "check_compiler", lambda: None)
    monkeypatch.setattr("torch.compile", broken)
    with pytest.raises(EngineError, match=r"torch.compile fails on this machine: g\+\+: exec format error$"):
        torch_compiled.CompiledEngine(teacher, threads=1)


def test_without_a_compiler_what_to_install_is_said(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(EngineError, match="there is no no-such-compiler: install it"):
        Compile(name="compiled").check_machine()
