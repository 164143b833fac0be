"""`packlight predict`: texts from arguments, a file and standard input."""

import io
import json
import shutil
import sys

import pytest
from rich.console import Console

from packlight.cli import predict
from packlight.runtime.predictor import LabelScore, Prediction

pytest_plugins = ["tiny_run", "command"]
TEXTS = ["wake me at seven", "play the song queen", "will it rain in oslo"]


@pytest.fixture
def artifact(tiny_run):
    return tiny_run / "variants" / "student-onnx-static"


def stdin_of(content):
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="surrogateescape")


def test_arguments_are_answered_in_a_table(packlight, artifact):
    answer = packlight("predict", artifact, *TEXTS)
    assert answer.status == 0
    assert answer.err == ""
    lines = [line for line in answer.out.splitlines() if any(text in line for text in TEXTS)]
    assert len(lines) == 3
    assert all(line.rstrip().endswith("%") for line in lines)


def test_json_is_one_document_with_everything(packlight, artifact):
    answers = json.loads(packlight("predict", artifact, *TEXTS, "--top-k", "3", "--json").out)
    assert [each["text"] for each in answers] == TEXTS
    for each in answers:
        assert len(each["top"]) == 3
        assert each["label"] == each["top"][0]["label"]
        assert 0 < each["top"][2]["score"] <= each["top"][0]["score"] == each["score"] <= 1
        assert each["out_of_scope"] is (each["label"] == "oos")


def test_a_text_that_was_cut_is_marked(packlight, artifact):
    long = "play the song queen " * 20
    assert [each["truncated"] for each in json.loads(packlight("predict", artifact, "x", long, "--json").out)] == [
        False,
        True,
    ]
    assert packlight("predict", artifact, long).out.count("(truncated)") == 1


def test_top_k_shows_so_many_labels(packlight, artifact):
    table = packlight("predict", artifact, TEXTS[0], "--top-k", "4").out
    assert table.count("%") == 4
    assert packlight("predict", artifact, TEXTS[0], "--top-k", "99").out == table


def test_a_file_and_standard_input_are_the_same(packlight, artifact, tmp_path, monkeypatch):
    texts = [*TEXTS, "play\u2028it\x85again\fsam"]
    content = "\ufeff" + "\n".join([texts[0], "", f"  {texts[1]}  \r", *texts[2:]])
    (tmp_path / "texts.txt").write_bytes(content.encode())
    by_file = packlight("predict", artifact, "--file", tmp_path / "texts.txt", "--json")
    monkeypatch.setattr(sys, "stdin", stdin_of(content.encode()))
    by_input = packlight("predict", artifact, "--json")
    by_words = packlight("predict", artifact, texts[0], "", *texts[1:], "--json")
    assert json.loads(by_file.out) == json.loads(by_input.out) == json.loads(by_words.out)


def test_a_table_is_answered_row_by_row(packlight, artifact, tmp_path):
    rows = [{"label": "x", "query": text} for text in TEXTS]
    (tmp_path / "texts.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "texts.csv").write_text("label,query\n" + "".join(f"x,{text}\n" for text in TEXTS))
    (tmp_path / "other.csv").write_text("label,words\n" + "".join(f"x,{text}\n" for text in TEXTS), encoding="utf-16")
    for name, options in (("texts.jsonl", []), ("texts.csv", []), ("other.csv", ["--text-column", "words"])):
        answer = packlight("predict", artifact, "--file", tmp_path / name, *options, "--json")
        assert [each["text"] for each in json.loads(answer.out)] == TEXTS


def test_a_file_that_is_no_list_of_texts_is_refused(packlight, artifact, tmp_path):
    (tmp_path / "texts.csv").write_text("one,two\nplay jazz,loud\nwake me,late\nring,late\nsing,loud\n")
    answer = packlight("predict", artifact, "--file", tmp_path / "texts.csv")
    assert (answer.status, answer.out) == (2, "")
    assert "name it with --text-column" in answer.err


def test_standard_input_in_another_encoding_is_read_and_said(packlight, artifact, monkeypatch):
    monkeypatch.setattr(sys, "stdin", stdin_of("où est le café".encode("cp1252")))
    answer = packlight("predict", artifact, "--json")
    assert json.loads(answer.out)[0]["text"] == "où est le café"
    assert "standard input is not UTF-8 and was read as cp1252" in answer.err
    monkeypatch.setattr(sys, "stdin", stdin_of("où est le café".encode("cp1252")))
    answer = packlight("predict", artifact, "--encoding", "utf-8")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("error: standard input is not in utf-8: byte 1 (0xf9), row 1")


def test_a_terminal_without_texts_is_told_how(packlight, artifact, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    answer = packlight("predict", artifact)
    assert answer.status == 2
    assert "--file" in answer.err


def test_square_brackets_are_text(packlight, artifact):
    assert "[bold]play[/bold] [x]" in packlight("predict", artifact, "[bold]play[/bold] [x]").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ARTIFACT", "x", "--provider", "cuda"], "provider 'cuda' is not available; this onnxruntime has:"),
        (["ARTIFACT", "--file", "missing.txt"], "missing.txt: cannot be read"),
        (["ARTIFACT", "--file", "empty.txt"], "empty.txt: no texts"),
        (["ARTIFACT", "--file", "latin.txt", "--encoding", "utf-8"], "is not in utf-8"),
        (["ARTIFACT", "x", "caf\udce9"], r"the text 'caf\udce9' is not UTF-8"),
        (["ARTIFACT", "x", "--top-k", "0"], "--top-k"),
        (["ARTIFACT", "x", "--file", "latin.txt"], "--file is for texts in a file, but there are texts on the command"),
        (["ARTIFACT", "x", "--encoding", "utf-8"], "--encoding is for texts in a file"),
        (["ARTIFACT", "--text-column", "text"], "--text-column is for --file; standard input has one text per line"),
        (["nowhere", "x"], "nowhere"),
        (["ALTERED", "x"], "model_quantized.onnx was altered"),
    ],
)
def test_a_users_error_is_one_line(packlight, artifact, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    altered = shutil.copytree(artifact, tmp_path / "altered")
    with (altered / "onnx" / "model_quantized.onnx").open("ab") as stream:
        stream.write(b"more")
    places = {"ARTIFACT": artifact, "ALTERED": altered}
    answer = packlight("predict", *(places.get(word, word) for word in words))
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_a_torch_artifact_without_torch_gets_the_install_line(packlight, tiny_run, monkeypatch):
    monkeypatch.setattr("packlight.extras.installed", lambda name: name != "torch")
    answer = packlight("predict", tiny_run / "variants" / "teacher", "x")
    assert answer.status == 2
    assert 'pip install -e ".[compress]"' in answer.err


def table(monkeypatch, width, text, *labels, out_of_scope=False):
    """What the table shows at a terminal of so many columns."""
    top = tuple(LabelScore(label, 1 / rank) for rank, label in enumerate(labels, 1))
    screen = Console(file=io.StringIO(), width=width, highlight=False, emoji=False)
    monkeypatch.setattr(predict, "console", lambda: screen)
    rendered = predict._table([Prediction(text, labels[0], 1.0, out_of_scope, top)])
    screen.print(rendered, markup=False)
    return screen.file.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (":key: to the [bold]door[/bold]", ":key: to the [bold]door[/bold]"),
        ("one\rtwo\nthree\tfour", r"one\rtwo\nthree\tfour"),
        ("\x1b[31mred\x07\x9b0m", r"\x1b[31mred\x07\x9b0m"),
        ("back\\slash, größer 🙂 👩‍💻", "back\\slash, größer 🙂 👩‍💻"),
        ("left \u202e right", r"left \u202e right"),
    ],
)
def test_the_table_shows_data_as_it_is(monkeypatch, text, shown):
    written = table(monkeypatch, 120, text, text)
    assert written.count(shown) == 2, "the text and the label"
    assert not set(written) & set(map(chr, [*range(10), *range(11, 32), *range(127, 160), 0x202E]))


@pytest.mark.parametrize("width", [30, 40, 60, 120])
@pytest.mark.parametrize(
    "label", ["restaurant_reservation", "an_unusually_long_label_that_no_narrow_terminal_has_room_for"]
)
def test_a_label_is_never_cut(monkeypatch, width, label):
    text = "please book a table for two in the restaurant at the corner for tonight at half past seven"
    written = table(monkeypatch, width, text, label, "x", out_of_scope=True)
    lines = [line for line in written.splitlines()[3:] if line.strip()]
    place = written.splitlines()[1].index("label")
    end = written.splitlines()[1].index("probability")
    folded = "".join(line[place:end] for line in lines).replace(" ", "")
    assert folded.startswith(label + "(outofscope)")
    assert "…" not in written
    assert "100.0%" in written
