"""ONNX Runtime sessions: providers, options, and a cache of optimized graphs."""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import onnxruntime

from packlight.errors import ArtifactError, EngineError
from packlight.files import atomic_write, cache_folder, sha256_of
from packlight.runtime import forking
from packlight.runtime.artifact import Artifact
from packlight.runtime.processor import cpu_flags

__all__ = ["CPU", "SLOW_FUSIONS", "onnxruntime", "open_on_cpu"]

# `packlight.telemetry` has set the variable, which is enough except for builds that report through Windows itself.
onnxruntime.disable_telemetry_events()

CPU = "CPUExecutionProvider"

SLOW_FUSIONS = ("SkipLayerNormFusion",)
"""of the runtime's own: on a processor they make slower what they join (docs/decisions/0017)"""


def open_on_cpu(
    graph: Path | bytes,
    options: onnxruntime.SessionOptions | None = None,
) -> onnxruntime.InferenceSession:
    """A session on the CPU provider. It raises the library's own exceptions."""
    return onnxruntime.InferenceSession(graph, options, providers=[CPU], disabled_optimizers=list(SLOW_FUSIONS))


ERRORS_ONLY = 3


def provider_names(wanted: Sequence[str]) -> list[str]:
    """Full names of execution providers, the CPU last as ONNX Runtime wants it.

    Raises:
        EngineError: if one is not available here. The message names those that are.
    """
    available = onnxruntime.get_available_providers()
    by_word = {name.removesuffix("ExecutionProvider").lower(): name for name in available}
    names = []
    for word in wanted:
        name = word if word in available else by_word.get(word.lower())
        if name is None:
            there = ", ".join(sorted(by_word))
            raise EngineError(
                f"provider {word!r} is not available; this onnxruntime has: {there}. Other providers come with other "
                "builds, such as onnxruntime-gpu for cuda",
            )
        names.append(name)
    return names if CPU in names else [*names, CPU]


def default_cache() -> Path:
    """The folder for optimized graphs."""
    return cache_folder() / "graphs"


def open_session(
    artifact: Artifact,
    threads: int,
    providers: list[str],
    cache: Path,
) -> onnxruntime.InferenceSession:
    """A session for an artifact, on the given providers.

    Raises:
        ArtifactError: if ONNX Runtime cannot open the file.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ERRORS_ONLY
    if threads == 1:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        if providers != [CPU]:
            session = onnxruntime.InferenceSession(artifact.model_path, options, providers=providers)
        else:
            session = _optimised(artifact, options, cache)
    except Exception as error:  # the library raises its own types, all of them plain Exceptions
        raise ArtifactError(f"{artifact.model_path}: ONNX Runtime cannot open it: {error}") from error
    forking.keep(session)
    return session


def _optimised(
    artifact: Artifact,
    options: onnxruntime.SessionOptions,
    cache: Path,
) -> onnxruntime.InferenceSession:
    """Open the graph as ONNX Runtime optimized it for this processor, once for each file."""
    key = hashlib.sha256(
        "\0".join(
            (
                artifact.manifest.files[artifact.manifest.model_file].sha256,
                onnxruntime.__version__,
                *SLOW_FUSIONS,
                *sorted(cpu_flags()),
            ),
        ).encode(),
    ).hexdigest()[:40]
    kept, seal = cache / f"{key}.onnx", cache / f"{key}.sha256"
    with contextlib.suppress(OSError):
        if kept.is_file() and seal.read_text() == sha256_of(kept):
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            return open_on_cpu(kept, options)
    draft = cache / f"{key}.{os.getpid()}.draft.onnx"
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    if os.access(cache, os.W_OK):
        options.optimized_model_filepath = str(draft)
    try:
        session = _session_and_draft(artifact.model_path, options)
        with contextlib.suppress(OSError):
            atomic_write(seal, sha256_of(draft))
            draft.replace(kept)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    return session


def _session_and_draft(model: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """A session that writes its optimized graph. If the disk is full, it works without writing one."""
    try:
        return open_on_cpu(model, options)
    except Exception:
        if not options.optimized_model_filepath:
            raise
        Path(options.optimized_model_filepath).unlink(missing_ok=True)
        options.optimized_model_filepath = ""
        return open_on_cpu(model, options)
