"""The ONNX Runtime engine: nothing but numpy, tokenizers and onnxruntime."""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from packlight.artifact import Artifact
from packlight.engines.base import Logits
from packlight.environment import cpu_budget, cpu_flags
from packlight.errors import ArtifactError, EngineError
from packlight.files import cache_folder, sha256_of, write_whole
from packlight.sessions import CPU, SLOW_FUSIONS, onnxruntime, open_on_cpu
from packlight.tokenization import TextEncoder

ERRORS_ONLY = 3


class OnnxEngine:
    """An ONNX artifact on ONNX Runtime."""

    name = "onnxruntime"

    def __init__(
        self,
        artifact: Artifact,
        *,
        threads: int | None = None,
        providers: Sequence[str] = ("cpu",),
        cache: Path | None = None,
    ) -> None:
        """Open a verified artifact.

        Args:
            artifact: one whose engine is onnxruntime.
            threads: for one inference; by default all that this process may use.
            providers: execution providers in order of preference, as `cpu`, `cuda`, … or by their full names.
            cache: folder for optimised graphs; by default the user's cache folder, `PACKLIGHT_CACHE` if set.

        Raises:
            EngineError: when a provider is not available or does not start.
            ArtifactError: when ONNX Runtime does not open the file.
        """
        self.labels = artifact.labels
        self.threads = threads or cpu_budget()
        self._encoder = TextEncoder(artifact.tokenizer_path, artifact.manifest.max_length)
        names = provider_names(providers)
        self._session = _session(artifact, self.threads, names, cache or default_cache())
        if missing := sorted(set(names) - set(self._session.get_providers())):
            raise EngineError(
                f"{missing[0]} is part of this onnxruntime but did not start; its own message above says why "
                "(often a missing driver or library). `--provider cpu` works everywhere",
            )

    def logits(self, texts: Sequence[str]) -> Logits:
        """Answer one batch: float32 of shape [texts, labels]."""
        tokens = self._encoder(texts)
        feed = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
        answer: Logits = self._session.run(["logits"], feed)[0]
        return answer


def provider_names(wanted: Sequence[str]) -> list[str]:
    """Full names of execution providers, the CPU last as ONNX Runtime wants it.

    Raises:
        EngineError: when one is not available here; names those that are.
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
    """Where optimised graphs are kept."""
    return cache_folder() / "graphs"


def _session(
    artifact: Artifact,
    threads: int,
    providers: list[str],
    cache: Path,
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = ERRORS_ONLY
    if threads == 1:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        if providers != [CPU]:
            return onnxruntime.InferenceSession(artifact.model_path, options, providers=providers)
        return _optimised(artifact, options, cache)
    except Exception as error:  # the library raises its own types, all of them plain Exceptions
        raise ArtifactError(f"{artifact.model_path}: ONNX Runtime does not open it: {error}") from error


def _optimised(
    artifact: Artifact,
    options: onnxruntime.SessionOptions,
    cache: Path,
) -> onnxruntime.InferenceSession:
    """Open the graph as ONNX Runtime optimised it for this processor, which is done once for each file."""
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
            write_whole(seal, sha256_of(draft))
            draft.replace(kept)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    return session


def _session_and_draft(model: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """A session that wrote its optimised graph; without one where the disk is full, which is no reason not to answer."""
    try:
        return open_on_cpu(model, options)
    except Exception:
        if not options.optimized_model_filepath:
            raise
        Path(options.optimized_model_filepath).unlink(missing_ok=True)
        options.optimized_model_filepath = ""
        return open_on_cpu(model, options)
