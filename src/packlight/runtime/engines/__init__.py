"""The engines: every module in this package with a class that has an `EngineInfo`."""

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from packlight.errors import EngineError
from packlight.extras import EXTRA_OF, require
from packlight.runtime.artifact import MANIFEST, Artifact, Manifest, read_manifest
from packlight.runtime.engine import Engine, EngineInfo
from packlight.runtime.processor import threads_for

CPU_ONLY = ("cpu",)
CPU_NAMES = ("cpu", "cpuexecutionprovider")
BASELINE = "pipeline"
"""the engine that the model of a run's `--model` and other reference models are measured on"""
UNKNOWN_COLOUR = "#5b6672"


@cache
def engine_types() -> Mapping[str, Callable[..., Engine[Any]]]:
    """Every engine's class by the engine's name. Importing them loads none of their libraries."""
    modules = [import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    classes = [value for module in modules for value in vars(module).values() if _is_engine(value, module.__name__)]
    return {each.info.name: each for each in classes}


def _is_engine(value: object, module: str) -> bool:
    return isinstance(value, type) and value.__module__ == module and isinstance(_info_of(value), EngineInfo)


def _info_of(engine: object) -> EngineInfo:
    info: EngineInfo = getattr(engine, "info", None)  # type: ignore[assignment] # None is no EngineInfo
    return info


def engine_infos() -> dict[str, EngineInfo]:
    """Every engine's description by the engine's name."""
    return {name: _info_of(each) for name, each in engine_types().items()}


def engine_info(name: str) -> EngineInfo:
    """An engine's description, or a minimal one for an engine that this version doesn't have.

    Results that a later version wrote can name such engines.
    """
    return engine_infos().get(name) or EngineInfo(name=name, label=name, colour=UNKNOWN_COLOUR, form=name)


def open_engine(
    artifact: Artifact,
    *,
    engine: str | None = None,
    threads: int | None = None,
    providers: Sequence[str] = CPU_ONLY,
) -> Engine[Any]:
    """Open a verified artifact on an engine.

    Args:
        artifact: from `Artifact.open`.
        engine: the engine's name; by default the one that the artifact was made for.
        threads: threads per batch. Defaults to the container's CPU limit.
        providers: execution providers of ONNX Runtime, in order of preference.

    Raises:
        EngineError: if the engine doesn't exist, doesn't open the artifact, or lacks a provider.
        PacklightError: if the number of threads is out of range.
        MissingExtraError: if the engine's libraries aren't installed.
    """
    info = _known(engine or artifact.manifest.engine)
    _check_opens(info, artifact)
    given: dict[str, Any] = {"providers": providers} if info.takes_providers else {}
    if not given and any(each.lower() not in CPU_NAMES for each in providers):
        raise EngineError(
            f"{artifact.name} runs on {info.name}, which has no execution providers: omit them, or export it to ONNX "
            "first"
        )
    return _construct(info, artifact.path if info.opens_checkpoints else artifact, threads=threads, **given)


def open_folder(folder: Path, *, engine: str, threads: int | None = None) -> Engine[Any]:
    """Open a folder on an engine: an artifact, or any classifier if the engine supports that.

    Raises:
        ArtifactError: if the artifact is incomplete or was altered.
        EngineError: as `open_engine` does.
        MissingExtraError: as `open_engine` does.
    """
    info = _known(engine)
    if info.opens_checkpoints:
        return _construct(info, folder, threads=threads)
    return open_engine(Artifact.open(folder), engine=engine, threads=threads)


def form_of(manifest: Manifest) -> str:
    """An artifact's name in the `needs` and `makes` of steps: `torch`, `onnx-int8`, `static`."""
    info = engine_info(manifest.engine)
    other = manifest.precision in tuple(info.model_files)[1:]
    return f"{info.form}-{manifest.precision}" if other else info.form


def extras_of(artifact: Artifact) -> tuple[str, ...]:
    """The extras needed to open an artifact and its parts, sorted.

    Raises:
        ArtifactError: if the manifest of a part is damaged.
    """
    own = artifact.manifest.engine
    parts = [artifact.path / name for name in engine_info(own).parts if (artifact.path / name / MANIFEST).is_file()]
    engines = [own, *(read_manifest(part).engine for part in parts)]
    modules = {module for engine in engines for module in engine_info(engine).modules}
    return tuple(sorted({EXTRA_OF[module] for module in modules if module in EXTRA_OF}))


def _known(name: str) -> EngineInfo:
    if name not in engine_types():
        raise EngineError(f"no engine {name!r}; there are: {', '.join(engine_types())}")
    return engine_info(name)


def _check_opens(info: EngineInfo, artifact: Artifact) -> None:
    made_for, precision = artifact.manifest.engine, artifact.manifest.precision
    if info.name == made_for:
        return
    if made_for not in info.opens:
        raise EngineError(f"{artifact.path} was made for {made_for}, and {info.name} can't open it")
    if precision not in info.model_files:
        raise EngineError(
            f"{info.name} opens {' or '.join(info.model_files)} weights, and {artifact.name} is {precision}: use {made_for}"
        )


def _construct(info: EngineInfo, source: Artifact | Path, **options: Any) -> Engine[Any]:
    require(*info.modules, purpose=f"the {info.name} engine")
    threads_for(options["threads"])
    return engine_types()[info.name](source, **options)
