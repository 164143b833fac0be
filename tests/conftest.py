"""Tiny real models that several test modules share; each is made once in a session, and only when asked for."""

import gc
import os
from functools import cache

import hypothesis
import pytest

import packlight  # noqa: F401 - before any test imports onnxruntime: see packlight.telemetry
from shared import made_once

# Test modules import these before their own `pytest_plugins` name them.
pytest.register_assert_rewrite(
    "command", "deployed", "frontier_run", "lakes", "loopback_hub", "measuring_here", "searched", "served", "tiny_run"
)
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    # Each of xdist's workers has a processor of its own: two that both train on all of them wait for each other.
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[int(worker.removeprefix("gw")) % len(processors)]})
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")  # how long an example takes says what else the machine does


LONG = ("test_cli_run.py", "test_platforms.py", "test_steps_export.py", "test_telemetry.py")
"""files of about half a minute"""


def pytest_collection_modifyitems(items):
    """Begin with the long files, so that no worker is left with one of them when the other has finished."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep a file's tests on one worker, which shares its fixtures; the pages of the docs share nothing."""
    from xdist.scheduler import LoadScopeScheduling  # only where pytest-xdist asks

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return nodeid if file.endswith("test_docs.py") else file

    # By itself it begins with the files of most tests, and those of a few long ones would come last.
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Keep optimised graphs out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PACKLIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def _measuring_here():
    """Measure without a process for each variant; `real_processes` has them back."""
    from measuring_here import WorkerThread  # with the next, libraries that tests of plain data do without
    from packlight.measure import worker_process

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_process, "ChildProcess", WorkerThread)
        yield


@pytest.fixture(scope="module")
def real_processes(_measuring_here):
    """Measure each variant in a process of its own, as users do, throughout a test file."""
    from packlight.measure import child_process, worker_process  # beside its use

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_process, "ChildProcess", child_process.ChildProcess)
        yield


@pytest.fixture(scope="session")
def _operators_once():
    """Let PyTorch's exporter keep its table of operators, which it makes anew for each graph in half a second."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry  # seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
        yield


@pytest.fixture(scope="session")
def tiny(_measuring_here, _operators_once):
    """The module that makes tiny models; it imports torch, which tests of plain data do without."""
    import torch  # see above

    import tiny_models  # see above

    torch.set_num_threads(1)
    # Each training ends with a collection of garbage, which would go through half a million objects of the libraries.
    gc.collect()
    gc.freeze()
    return tiny_models


@pytest.fixture(scope="session")
def data(tiny):
    """The toy texts as a data set; values are frozen, so that all tests may share it."""
    from packlight.data import dataset_from_rows  # beside its use

    return dataset_from_rows(list(zip(*tiny.toy_texts(), strict=True)), source="tiny")


@pytest.fixture(scope="session")
def encoder_folder(tiny, tmp_path_factory):
    """Family -> the folder of a pretrained encoder; not to be written to."""
    return cache(lambda family: tiny.make_encoder(family, tmp_path_factory.mktemp(f"{family}-encoder")))


@pytest.fixture(scope="session")
def classifier_folder(tiny, encoder_folder, tmp_path_factory):
    """Family -> the folder of a classifier that was not trained, mean-pooled where it can be; not to be written to."""
    return cache(lambda family: tiny.make_classifier(encoder_folder(family), tmp_path_factory.mktemp(family)))


@pytest.fixture(scope="session")
def trained_folder(tiny, encoder_folder, tmp_path_factory):
    """Family -> the folder of a classifier that knows the toy data set; not to be written to."""

    @cache
    def folder_of(family):
        make = lambda folder: tiny.make_trained(encoder_folder(family), folder / "model", folder / "work")  # noqa: E731
        return made_once(tmp_path_factory, f"{family}-trained", make) / "model"

    return folder_of


@pytest.fixture(scope="session")
def onnx_file(trained_folder, tmp_path_factory):
    """Family -> an exported float32 graph of `trained_folder`; not to be written to."""
    from packlight.steps.onnx.export_graph import export  # imports torch

    @cache
    def file_of(family):
        make = lambda folder: export(trained_folder(family), folder / "model.onnx")  # noqa: E731
        return made_once(tmp_path_factory, f"{family}-onnx", make) / "model.onnx"

    return file_of


@pytest.fixture(scope="session")
def unfused_file(trained_folder, tmp_path_factory):
    """Family -> the same in standard operators only; not to be written to."""
    from packlight.steps.onnx.export_graph import export  # imports torch

    @cache
    def file_of(family):
        make = lambda folder: export(trained_folder(family), folder / "model.onnx", fuse=False, opset=20)  # noqa: E731
        return made_once(tmp_path_factory, f"{family}-unfused", make) / "model.onnx"

    return file_of
