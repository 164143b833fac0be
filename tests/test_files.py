import hashlib
import stat

import pytest

from packlight.files import CHUNK, atomic_folder, atomic_write, remove_stale_temp, sha256_of


def test_the_hash_is_that_of_all_bytes(tmp_path):
    content = b"packlight" * (CHUNK // 4)
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("content", ["ä text", b"\x00bytes"])
def test_a_file_is_written_with_its_folders(tmp_path, content):
    file = tmp_path / "a" / "b" / "file"
    atomic_write(file, content)
    assert file.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(file.parent.iterdir()) == [file]


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "file"
    atomic_write(file, "old")
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="full"):
        atomic_write(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def fail(*_):
    raise OSError("the disk is full")


@pytest.mark.parametrize("existed", [False, True])
def test_a_folder_appears_whole(tmp_path, existed):
    target = tmp_path / "out" / "model"
    if existed:
        target.mkdir(parents=True)
        (target / "old").write_text("old")
    with atomic_folder(target) as draft:
        (draft / "new").write_text("new")
        assert target.exists() is existed
        assert draft.parent == target.parent
    assert [file.name for file in target.iterdir()] == ["new"]
    assert [file.name for file in target.parent.iterdir()] == ["model"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


def write_then_raise(file, error):
    file.write_text("new")
    raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_that_fails_leaves_what_was_there(tmp_path, error):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(error), atomic_folder(target) as draft:
        write_then_raise(draft / "new", error)
    assert [file.name for file in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_moved_into_place_leaves_what_was_there(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(FileNotFoundError), atomic_folder(target) as draft:
        draft.rename(tmp_path / "elsewhere" / "draft")
    assert [file.name for file in target.iterdir()] == ["old"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["elsewhere", "model"]


def test_what_a_kill_left_is_swept_and_nothing_else(tmp_path):
    kept = ["model", ".model.work", ".lock", "model.draft", ".other.12345678.draft"]
    left = [".model.ab_3x9yz.draft", ".model.12345678.former"]
    for name in (*kept, *left):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("content")
    (tmp_path / ".model.00000000.draft").write_text("half a file")
    remove_stale_temp(tmp_path, "model")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(kept)
    remove_stale_temp(tmp_path)
    assert ".other.12345678.draft" not in {file.name for file in tmp_path.iterdir()}


def test_drafts_are_of_the_kind_that_is_swept(tmp_path):
    (tmp_path / "model").mkdir()
    with atomic_folder(tmp_path / "model") as draft:
        remove_stale_temp(tmp_path, "other")
        assert draft.is_dir()
        remove_stale_temp(tmp_path, "model")
        assert not draft.exists()
        draft.mkdir()
