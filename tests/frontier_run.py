"""A tiny run through the steps that calibrate, prune, distil and cascade; ask for the fixture `frontier_run`.

Put `pytest_plugins = ["frontier_run"]` at the top of the test file. The folder is shared: copy it before writing into it.
"""

import pytest

from shared import made_once

QUICK = "epochs: 2, min_updates: 0, batch_size: 16, learning_rate: 4.0e-3, max_length: 24, bf16: false"
ONCE = QUICK.replace("epochs: 2", "epochs: 1")
STATIC = (
    "epochs: 6, batch_size: 16, learning_rate: 2.0e-2, buckets: 512, embedding_dim: 16, hidden_size: 16, augment: 1.0, "
    "word_vectors: 30, word_dim: 8"
)
RECIPE = f"""
version: 1
name: frontier
steps:
  - {{step: finetune, as: teacher, {QUICK}}}
  - {{step: calibrate, as: teacher-calibrated}}
  - {{step: trim-vocabulary, as: trimmed}}
  - {{step: distill, as: student, layers: 1, augment: 0.5, logit_weight: 0.05, hidden_weight: 0.5, relation_weight: 0.5, {ONCE}}}
  - {{step: prune, as: pruned, intermediate_size: 32, hidden_size: 0.75, texts: 16}}
  - {{step: distill, as: healed, from: trimmed, start: pruned, {ONCE}}}
  - {{step: calibrate, as: calibrated, oos_rate: 0.7}}
  - {{step: export, as: onnx}}
  - {{step: quantize-onnx, as: int8, mode: static, min_agreement: 0.5}}
  - {{step: distill-static, as: static, from: trimmed, {STATIC}}}
  - {{step: calibrate, as: static-calibrated, oos_rate: 0.3}}
  - {{step: cascade, as: both, from: int8, first: static-calibrated, max_accuracy_drop: 0.05}}
"""
NARROW = f"""
version: 1
name: narrow
steps:
  - {{step: finetune, as: teacher, {QUICK}}}
  - {{step: calibrate, as: sure, abstain: 0.15}}
  - {{step: export, as: sure-onnx}}
  - {{step: distill-static, as: static, from: teacher, {STATIC}}}
  - {{step: calibrate, as: static-sure, abstain: 0.15}}
  - {{step: cascade, as: both, from: sure-onnx, first: static-sure, max_accuracy_drop: 0.2}}
"""
"""for data without an out-of-scope class"""


@pytest.fixture(scope="session")
def make_variants(tiny, encoder_folder):
    """Carry out a recipe on toy rows without measuring; gives what was made anew."""
    from packlight.data import dataset_from_rows  # with the next, seconds
    from packlight.pipeline import runner
    from packlight.recipes.recipe import parse_recipe

    def make(recipe, out, *, outside=True):
        rows = [row for row in zip(*tiny.toy_texts(), strict=True) if outside or row[1] != "oos"]
        data = dataset_from_rows(rows, source="tiny")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "measure_run", lambda *_, **__: (None, False))
            made = runner.run(data, parse_recipe(recipe), out, model=str(encoder_folder("bert")), threads=1).made
        return made, data

    return make


@pytest.fixture(scope="session")
def frontier_run(make_variants, tmp_path_factory):
    """The run's folder."""
    return made_once(tmp_path_factory, "frontier-run", lambda folder: make_variants(RECIPE, folder / "run")) / "run"


@pytest.fixture(scope="session")
def narrow_run(make_variants, tmp_path_factory):
    """The folder of a run on data without an out-of-scope class."""

    def make(folder):
        make_variants(NARROW, folder / "run", outside=False)

    return made_once(tmp_path_factory, "narrow-run", make) / "run"


@pytest.fixture(scope="session")
def frontier_recipe():
    """The recipe of `frontier_run`."""
    return RECIPE


@pytest.fixture(scope="session")
def narrow_recipe():
    """The recipe of `narrow_run`."""
    return NARROW
