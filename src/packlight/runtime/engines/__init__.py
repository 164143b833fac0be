"""Engines: an artifact opened on one runtime, texts in and logits out."""

from collections.abc import Sequence

from packlight.errors import EngineError
from packlight.extras import require
from packlight.runtime.artifact import Artifact
from packlight.runtime.engine import Engine, Logits

__all__ = ["Engine", "Logits", "open_engine"]

ENGINES = ("onnxruntime", "torch", "torch-compiled", "pipeline", "openvino", "static", "cascade")
OWN_FORM = ("onnxruntime", "openvino", "static", "cascade")
"""engines whose artifacts no other one opens, and that open no others"""


def open_engine(
    artifact: Artifact,
    *,
    engine: str | None = None,
    threads: int | None = None,
    providers: Sequence[str] = ("cpu",),
) -> Engine:
    """Open a verified artifact on a runtime.

    Args:
        artifact: from `Artifact.open`.
        engine: one of ENGINES; by default the one that the artifact was made for.
        threads: for one inference; by default all that this process may use.
        providers: execution providers of ONNX Runtime, in order of preference.

    Raises:
        EngineError: when the engine does not exist, does not fit the artifact, or lacks a provider.
        MissingExtraError: when the engine's libraries are not installed.
    """
    name = engine or artifact.manifest.engine
    if name not in ENGINES:
        raise EngineError(f"no engine {name!r}; there are: {', '.join(ENGINES)}")
    made_for = artifact.manifest.engine
    if name != made_for and (name in OWN_FORM or made_for in OWN_FORM):
        raise EngineError(f"{artifact.path} was made for {made_for} and has no form that {name} opens")
    if name == "onnxruntime":
        from packlight.runtime.engines.onnxruntime import OnnxEngine  # torch engines must not need it, nor it torch

        return OnnxEngine(artifact, threads=threads, providers=providers)
    if name == "cascade":
        from packlight.runtime.engines.cascade import CascadeEngine  # imports this module

        return CascadeEngine(artifact, open_engine, threads=threads, providers=providers)
    if any(word.lower() not in ("cpu", "cpuexecutionprovider") for word in providers):
        raise EngineError(
            f"providers are ONNX Runtime's; {artifact.name} runs on {name}: export it first, or drop them"
        )
    if name == "static":
        from packlight.runtime.engines.static import StaticEngine  # safetensors, which others do without

        return StaticEngine(artifact)
    if name == "openvino":
        require("openvino", purpose="the openvino engine")
        from packlight.runtime.engines.openvino import OpenVinoEngine  # an extra of its own

        return OpenVinoEngine(artifact, threads=threads)
    return _open_torch(artifact, name, threads)


def _open_torch(artifact: Artifact, name: str, threads: int | None) -> Engine:
    """One of the engines that torch is behind."""
    if name != "torch" and artifact.manifest.precision != "fp32":
        raise EngineError(f"{name} opens float32 weights; {artifact.name} is {artifact.manifest.precision}: use torch")
    require("torch", "transformers", purpose=f"the {name} engine")
    from packlight.runtime.engines.pipeline import PipelineEngine
    from packlight.runtime.engines.torch import TorchEngine  # ONNX engines must not need it

    if name == "torch":
        return TorchEngine(artifact, threads=threads)
    if name == "torch-compiled":
        from packlight.runtime.engines.torch_compiled import CompiledEngine  # the compiler takes a while to import

        return CompiledEngine(artifact, threads=threads)
    return PipelineEngine(artifact.path, threads=threads)
