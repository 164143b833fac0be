"""What a recipe leaves to the machine: settled before the fingerprint, recorded, and kept by whoever continues a run."""

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from packlight.errors import PacklightError, RecipeError
from packlight.models import resolve
from packlight.pipeline import resolving
from packlight.pipeline.resolving import Resolved, complete, here, on_threads, settle
from packlight.pipeline.variant import make_variant, open_parent
from packlight.runtime import processor
from packlight.runtime.artifact import SAFETENSORS
from packlight.steps.calibrate.options import Calibrate
from packlight.steps.cascade.options import Cascade
from packlight.steps.distill.options import Distill
from packlight.steps.distill_static.options import DistillStatic
from packlight.steps.export.options import Export
from packlight.steps.finetune.options import Finetune
from packlight.steps.prune.options import Prune
from packlight.steps.quantize_onnx.options import QuantizeOnnx

ONE = Resolved(device="cpu", threads=1, bf16=False, reduce_range=False)
TWO = msgspec.structs.replace(ONE, threads=2)
QUICK = {"epochs": 2, "batch_size": 16, "learning_rate": 4e-3, "max_length": 24}


@pytest.fixture
def finetuned(encoder_folder, data, tmp_path):
    """A function that fine-tunes in a folder, with what the machine would give, and says whether it had to."""

    def make(resolved, place="teacher", **options):
        return make_variant(
            Finetune(name=place, **(QUICK | options)),
            tmp_path / place,
            tmp_path / f"{place}-work",
            data,
            checkpoint=resolve(encoder_folder("bert")),
            resolved=resolved,
        )

    return make


def weights(artifact):
    return load_file(artifact.path / SAFETENSORS)


def test_what_a_training_used_is_recorded_and_in_its_fingerprint(finetuned):
    one, _ = finetuned(ONE, "one")
    two, _ = finetuned(TWO, "two")
    assert one.manifest.options | {"threads": 2} == two.manifest.options
    assert {"device": "cpu", "threads": 1, "bf16": False}.items() <= one.manifest.options.items()
    assert one.manifest.fingerprint != two.manifest.fingerprint
    assert one.manifest.facts["trained_on"]


@pytest.mark.parametrize("before", [1, 2])
def test_the_same_settings_give_the_same_weights_whatever_the_process_had(finetuned, before):
    with on_threads(before):
        first, _ = finetuned(TWO, "first")
        assert torch.get_num_threads() == before
    with on_threads(3 - before):
        second, _ = finetuned(TWO, "second")
    assert first.manifest.fingerprint == second.manifest.fingerprint
    for name, value in weights(first).items():
        np.testing.assert_array_equal(value, weights(second)[name])


def test_a_step_trains_on_the_threads_that_were_settled(finetuned, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "packlight.steps.finetune.apply.finetune", lambda *_, **__: seen.append(torch.get_num_threads()) or []
    )
    finetuned(TWO, "two")
    finetuned(TWO, "stated", threads=3)
    assert seen == [2, 3]


def test_a_run_that_goes_on_keeps_what_it_began_with(tmp_path, monkeypatch, capsys):
    file = tmp_path / "resolved.json"
    monkeypatch.setattr(resolving, "here", lambda: TWO)
    assert settle(file) == TWO
    monkeypatch.setattr(resolving, "here", lambda: msgspec.structs.replace(ONE, reduce_range=True))
    assert settle(file) == TWO
    assert "continuing with threads 2, reduce_range False" in capsys.readouterr().err


def test_stated_threads_are_honoured_said_and_kept(tmp_path, monkeypatch, capsys):
    file = tmp_path / "resolved.json"
    monkeypatch.setattr(resolving, "here", lambda: TWO)
    settle(file)
    assert settle(file, threads=1) == ONE
    assert "training threads: 1 from now on, 2 before" in capsys.readouterr().err
    assert settle(file) == ONE


def test_an_artifact_alone_says_what_it_was_made_with(finetuned, tmp_path, monkeypatch):
    artifact, _ = finetuned(ONE)
    monkeypatch.setattr(resolving, "here", lambda: TWO)
    assert settle(tmp_path / "work" / "resolved.json", artifact=artifact.path) == ONE
    assert finetuned(settle(tmp_path / "work" / "resolved.json"))[1] is False
    assert settle(tmp_path / "other.json", artifact=tmp_path / "nothing") == TWO


def test_a_damaged_file_is_said(tmp_path):
    (tmp_path / "resolved.json").write_text('{"threads": ')
    with pytest.raises(PacklightError, match=r"resolved.json: is damaged .*remove it"):
        settle(tmp_path / "resolved.json")


def test_only_what_is_left_open_is_filled_in():
    assert complete(Finetune(name="a", threads=3, bf16=True), ONE) == Finetune(
        name="a", threads=3, bf16=True, device="cpu"
    )
    assert complete(QuantizeOnnx(name="a"), ONE) == QuantizeOnnx(name="a", reduce_range=False)
    assert complete(DistillStatic(name="a"), TWO).threads == complete(Prune(name="a", heads=1), TWO).threads == 2


@pytest.mark.parametrize("step", [Export(name="a"), Calibrate(name="a"), Cascade(name="a", first="b")])
def test_steps_that_do_not_train_stay_as_they_are(step):
    assert complete(step, ONE) == complete(step, TWO) == step


def test_an_accelerator_makes_the_number_of_threads_irrelevant():
    accelerated = msgspec.structs.replace(TWO, device="cuda", bf16=True)
    step = complete(Distill(name="a"), accelerated)
    assert (step.device, step.bf16, step.threads) == ("cuda", True, None)
    assert complete(DistillStatic(name="a"), accelerated).threads == 2
    on_cpu = complete(Distill(name="a", device="cpu"), accelerated)
    assert (on_cpu.bf16, on_cpu.threads) == (resolving.bf16_here("cpu"), 2)


def test_a_device_that_is_not_there_is_refused(finetuned, monkeypatch):
    monkeypatch.setattr(resolving, "device_here", lambda: "cpu")
    with pytest.raises(RecipeError, match=r"trains on cuda, which this machine doesn't have; .*device: cpu"):
        finetuned(ONE, device="cuda")


def test_a_classifier_that_is_only_adopted_does_not_depend_on_the_machine(trained_folder, data, tmp_path, monkeypatch):
    marks = set()
    for number, there in enumerate((ONE, TWO)):
        monkeypatch.setattr("packlight.pipeline.variant.here", lambda there=there: there)
        marks.add(open_parent(str(trained_folder("bert")), data, tmp_path / str(number)).manifest.fingerprint)
    assert len(marks) == 1


def test_threads_that_the_environment_states_count(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert here().threads == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert here().threads == processor.cpu_budget()
