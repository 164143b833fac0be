"""What a folder's search is about: another one is refused before anything of the folder is replaced."""

import shutil

import msgspec
import pytest

from packlight.data import dataset_from_rows
from packlight.errors import PacklightError
from packlight.models import resolve
from packlight.pipeline.resolving import here
from packlight.runtime.artifact import Artifact, finalize, read_manifest
from packlight.search.locks import NEVER
from packlight.search.metadata import Metadata, check, record
from packlight.search.runner import search
from packlight.search.teacher import adopt_teacher, train_teacher
from packlight.steps.finetune.options import Finetune

pytest_plugins = ["searched"]
ABOUT = Metadata(data="d", seed=0, threads=1, teacher="t")
TEACHING = Finetune(
    name="teacher", epochs=1, min_updates=0, batch_size=16, learning_rate=4e-3, max_length=24, bf16=False
)


@pytest.fixture
def retrained(given_teacher, tmp_path):
    """The teacher as another training would make it, under the same name."""
    place = tmp_path / "again"
    shutil.copytree(given_teacher, place)
    finalize(place, msgspec.structs.replace(read_manifest(place), fingerprint="0" * 64))
    return place


def state(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def about(data, **other):
    return msgspec.structs.replace(Metadata(data=data.sha256, seed=0, threads=1), **other)


def test_the_first_search_settles_what_the_folder_is_about(tmp_path):
    check(tmp_path, ABOUT)
    check(tmp_path, msgspec.structs.replace(ABOUT, seed=1))
    record(tmp_path, ABOUT)
    record(tmp_path, ABOUT)
    check(tmp_path, msgspec.structs.replace(ABOUT, teacher=None))
    for name, value in {"data": "e", "seed": 1, "threads": 2, "teacher": "u"}.items():
        other = msgspec.structs.replace(ABOUT, **{name: value})
        for act in (check, record):
            with pytest.raises(PacklightError, match=f"another {name} .*now {value}.*another --out"):
                act(tmp_path, other)


@pytest.mark.parametrize("content", [b"", b'{"data": "d"}', b'{"data": "\xff", "seed": 0, "threads": 1}'])
def test_a_damaged_file_is_not_taken_for_this_search(tmp_path, content):
    record(tmp_path, ABOUT)
    (tmp_path / "work" / "search.json").write_bytes(content)
    with pytest.raises(PacklightError, match="doesn't describe the search"):
        record(tmp_path, ABOUT)
    assert (tmp_path / "work" / "search.json").read_bytes() == content


def test_another_given_teacher_is_refused_before_it_is_taken(data, given_teacher, retrained, tmp_path):
    out = tmp_path / "out"
    first = adopt_teacher(str(given_teacher), data, out, about(data), NEVER)
    before = state(out / "variants")
    with pytest.raises(PacklightError, match="another teacher"):
        adopt_teacher(str(retrained), data, out, about(data), NEVER)
    assert state(out / "variants") == before
    assert adopt_teacher(str(given_teacher), data, out, about(data), NEVER).manifest == first.manifest


def test_another_taught_teacher_is_refused_before_it_is_taught(data, four_layers, tiny, given_teacher, tmp_path):
    out, model = tmp_path / "out", resolve(str(four_layers))
    resolved = here(threads=1)
    first = train_teacher(TEACHING, model, data, out, about(data), NEVER, resolved)
    before = state(out / "variants")
    assert train_teacher(TEACHING, model, data, out, about(data), NEVER, resolved).manifest == first.manifest
    other = tiny.make_encoder("bert", tmp_path / "other")
    with pytest.raises(PacklightError, match="another teacher"):
        train_teacher(TEACHING, resolve(str(other)), data, out, about(data), NEVER, resolved)
    with pytest.raises(PacklightError, match="another seed"):
        train_teacher(TEACHING, model, data, out, about(data, seed=1), NEVER, resolved)
    with pytest.raises(PacklightError, match="another teacher"):
        adopt_teacher(str(given_teacher), data, out, about(data), NEVER)
    assert state(out / "variants") == before


@pytest.mark.parametrize("given", [None, "teacher"])
def test_a_search_over_other_texts_is_refused_at_once(data, tiny, given_teacher, tmp_path, given):
    adopt_teacher(str(given_teacher), data, tmp_path, about(data), NEVER)
    before = state(tmp_path / "variants")
    texts, labels = tiny.toy_texts()
    others = dataset_from_rows(
        [(f"{text} so", label) for text, label in zip(texts, labels, strict=True)], source="other"
    )
    for texts, other, said in ((others, {}, "data"), (data, {"seed": 1}, "seed"), (data, {"threads": 2}, "threads")):
        with pytest.raises(PacklightError, match=f"another {said}"):
            search(texts, tmp_path, trials=1, teacher=given and str(given_teacher), **({"threads": 1} | other))
    assert state(tmp_path / "variants") == before
    assert Artifact.open(tmp_path / "variants" / "teacher").manifest == read_manifest(given_teacher)
