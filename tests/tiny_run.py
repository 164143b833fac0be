"""A whole run of tiny models through the real pipeline, made once in a session; ask for the fixture `tiny_run`.

Put `pytest_plugins = ["tiny_run"]` at the top of the test file. The folder is shared: copy it before writing into it.
"""

import sys

import pytest

from packlight.runtime.artifact import Artifact
from shared import made_once

RECIPE = """
version: 1
name: tiny
steps:
  - {step: finetune, as: teacher, epochs: 2, min_updates: 0, batch_size: 16, learning_rate: 4.0e-3, max_length: 24, bf16: false}
  - {step: export, as: teacher-onnx}
  - {step: quantize-onnx, as: teacher-onnx-int8, mode: dynamic, min_agreement: 0.5}
  - {step: distill, as: student, from: teacher, layers: 1, epochs: 1, min_updates: 0, batch_size: 16, learning_rate: 4.0e-3, max_length: 24, bf16: false}
  - {step: quantize-torch, as: student-torch-int8, min_agreement: 0.5}
  - {step: export, as: student-onnx, from: student}
  - {step: quantize-onnx, as: student-onnx-int8, mode: dynamic, min_agreement: 0.5}
  - {step: quantize-onnx, as: student-onnx-static, from: student-onnx, mode: static, min_agreement: 0.5}
"""


def replace_everywhere(patch, **others):
    """Replace functions in every module of packlight that has them under the same name."""
    for module in [module for key, module in sys.modules.items() if key.startswith("packlight")]:
        for word, (old, new) in others.items():
            if getattr(module, word, None) is old:
                patch.setattr(module, word, new)


def on_one_thread(patch):
    """Let tiny models run on one thread: two on a busy machine mostly wait for each other."""
    import torch  # seconds

    import packlight.runtime.engines.torch  # noqa: F401 - a module that comes later would keep the replacement
    from packlight.runtime import processor

    replace_everywhere(patch, cpu_budget=(processor.cpu_budget, lambda *_: 1))
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def four_layers(tiny, tmp_path_factory):
    """The folder of a tiny encoder that students of three layers can be taken from."""

    def make(folder):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(tiny.SIZES, "num_hidden_layers", 4)
            tiny.make_encoder("bert", folder)

    return made_once(tmp_path_factory, "four-layers", make)


@pytest.fixture(scope="session")
def tiny_run(tiny, four_layers, tmp_path_factory):
    """The run's folder, with the variants' names of the built-in recipe."""
    from packlight.data import dataset_from_rows
    from packlight.measure.rounds import BenchmarkConfig  # imports torch
    from packlight.pipeline import run
    from packlight.recipes.recipe import load_recipe

    def make(folder):
        (folder / "tiny.yaml").write_text(RECIPE)
        data = dataset_from_rows(list(zip(*tiny.toy_texts(), strict=True)), source="tiny")
        with pytest.MonkeyPatch.context() as patch:
            on_one_thread(patch)
            run(
                data,
                load_recipe(str(folder / "tiny.yaml")),
                folder / "run",
                model=str(four_layers),
                threads=1,
                effort=BenchmarkConfig(rounds=2, texts=4, seconds=0),
            )

    return made_once(tmp_path_factory, "tiny-run", make) / "run"


@pytest.fixture(scope="session")
def teacher(tiny_run):
    """The run's teacher, in PyTorch; not to be written to."""
    return Artifact.open(tiny_run / "variants" / "teacher")
