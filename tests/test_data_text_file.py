import pytest

from packlight.data.text_file import read_lines
from packlight.errors import DataError


def test_each_line_is_a_text_and_empty_ones_are_left_out(tmp_path):
    (tmp_path / "texts.txt").write_bytes("\ufeffwake me up\r\n\n  Zürich, please \n \nlast".encode())
    assert read_lines(tmp_path / "texts.txt") == ["wake me up", "Zürich, please", "last"]


def test_only_line_feeds_end_a_text(tmp_path):
    text = "one\u2028text\x85of\fmany\rlines"
    (tmp_path / "texts.txt").write_bytes(f"{text}\r\nnext".encode())
    assert read_lines(tmp_path / "texts.txt") == [text, "next"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"\xff\xfe", "cannot be read as UTF-8"), (b"\n \n", "holds no text")],
)
def test_a_file_without_readable_texts_is_one_error(tmp_path, content, said):
    if content is not None:
        (tmp_path / "texts.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"texts\.txt: {said}.*one a line"):
        read_lines(tmp_path / "texts.txt")
