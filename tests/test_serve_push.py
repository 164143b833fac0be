"""Pushing artifacts to a Hub on the loopback."""

import json
import re
import shutil

import msgspec
import pytest
from typer.testing import CliRunner

from packlight.cli.app import app
from packlight.errors import ArtifactError, ModelError
from packlight.runtime.artifact import Artifact, write_manifest
from packlight.serve.push import pack, push
from tiny_models import seal_variant

pytest_plugins = ["loopback_hub"]

REPO = "my-team/intents-small"


@pytest.fixture
def folder(classifier_folder, tmp_path):
    """A sealed artifact with a card."""
    folder = shutil.copytree(classifier_folder("bert"), tmp_path / "student")
    seal_variant(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\nlanguage: en\n---\n\n# student\n")
    return folder


@pytest.fixture
def logged_in(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return hub


def is_private(asked):
    """Whether a repository was asked for as private: huggingface_hub 1 says `private`, 2 says `visibility`."""
    return asked.get("private", asked.get("visibility") == "private")


def test_packing_lists_what_the_manifest_lists_and_sends_nothing(hub, folder):
    plan = pack(folder, REPO)
    names = [name for name, _ in plan.files]
    assert names == sorted([*Artifact.open(folder).manifest.files, "packlight.json", "README.md"])
    assert plan.size_bytes == sum((folder / name).stat().st_size for name in names)
    assert plan.remarks == ()
    assert hub.requests == []


def test_a_push_arrives_whole_and_is_the_artifact(logged_in, folder):
    url = push(pack(folder, REPO), message="First one")
    assert re.fullmatch(rf"{logged_in.url}/{REPO}/commit/[0-9a-f]{{40}}", url)
    assert is_private(logged_in.created[REPO])
    assert logged_in.messages == ["First one"]
    uploaded = next((logged_in.home / "uploaded").iterdir())
    assert Artifact.open(uploaded).manifest == Artifact.open(folder).manifest
    assert (uploaded / "README.md").read_text() == (folder / "README.md").read_text()


def test_a_second_push_goes_to_the_same_repository(logged_in, folder):
    push(pack(folder, REPO, private=False))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    push(pack(folder, f"{REPO}@next"))
    assert not is_private(logged_in.created[REPO])
    assert logged_in.branches == ["next"]
    assert len(logged_in.messages) == 2


def test_an_altered_artifact_is_not_pushed(hub, folder):
    (folder / "config.json").write_text("{}")
    with pytest.raises(ArtifactError, match="altered"):
        pack(folder, REPO)
    assert hub.requests == []


@pytest.mark.parametrize("name", ["intents", "a/b/c", "-/x", ""])
def test_a_name_that_is_none_is_refused(folder, name):
    with pytest.raises(ModelError, match="org/name"):
        pack(folder, name)


@pytest.mark.usefixtures("hub")
def test_a_wrong_token_is_said(folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(ModelError, match=r"rejected the push.*401.*hf auth login"):
        push(pack(folder, REPO))


def test_without_a_hub_the_failure_is_said(logged_in, folder):
    logged_in.stop()
    with pytest.raises(ModelError, match="failed"):
        push(pack(folder, REPO))


def test_what_is_missing_or_private_is_remarked(folder):
    manifest = Artifact.open(folder).manifest
    write_manifest(folder, msgspec.structs.replace(manifest, options={"model": "/home/someone/models/mine"}))
    (folder / "README.md").unlink()
    remarks = " ".join(pack(folder, REPO).remarks)
    assert "no model card" in remarks
    assert "/home/someone/models/mine" in remarks


def test_files_that_do_not_belong_are_refused(folder):
    (folder / "secrets.txt").write_text("hidden")
    with pytest.raises(ArtifactError, match="not listed"):
        pack(folder, REPO)


def test_the_command_sends_nothing_unless_told(logged_in, folder):
    dry = CliRunner().invoke(app, ["push", str(folder), REPO])
    assert dry.exit_code == 0
    assert "model.safetensors" in dry.stdout
    assert logged_in.requests == []
    real = CliRunner().invoke(app, ["push", str(folder), REPO, "--yes", "--json"])
    assert json.loads(real.stdout)["commit"].startswith(logged_in.url)
    assert "Upload student with packlight" in logged_in.messages
