"""Damaged files: what disks, editors, exports and people do to bytes, drawn by a seed."""

import gzip
import io
import random
import zipfile

from spreadsheets import packed

SNIPPETS = (
    *(
        b'"',
        b"'",
        b",",
        b";",
        b"\t",
        b"|",
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"- ",
        b"#",
        b"&a ",
        b"*a",
        b"\\",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xe9",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\\UFFFFFFFF",
        b"\xe2\x80\xa8",
        b"\x1a",
        b"\x85",
    ),
    *(
        b"!!int x",
        b"!!python/object:os.system ",
        b"1e999",
        b".inf",
        b".nan",
        b"null",
        b"true",
        b"1" * 5000,
        b"[" * 3000,
        b"{a: " * 500,
    ),
    *(
        b"sep=;\n",
        b"split",
        b"text",
        b"label",
        b"train",
        b"oos",
        b"NaN",
        b'["a", "b"]',
        b"0",
        b"-1",
        b"0x",
        b"--- ",
        b"...\n",
        b"<<: *a\n",
    ),
    *(
        b"\xe2\x80\x8b",
        b"\xf0\x9f\x98\x80",
        b"\xd8\x00",
        b"\x00\xdc",
        b"\x7f",
        b"=1+1",
        b"1:60",
        b"0o7",
        b"2020-01-01",
        b"&a [*a]",
        b"&a {x: &b [*a, *a]}",
        b"!!binary x",
        b"!<tag:x> ",
        b"%TAG ! x\n",
        b"| ",
        b">-\n",
        b"9" * 400,
        b"1e-999",
        b"-0",
        b"'" * 999,
        b"&#0;",
        b"&x;",
        b"</",
        b"XFD1048576",
    ),
    *(b"x" * 200_000, b'"""', b'"a\nb"', b"\\n", b"\\u0000", b"?", b"%YAML 9.9\n", b"@", b"`"),
)


def mutated(data: bytes, chooser: random.Random) -> bytes:
    """The bytes after one to five accidents."""
    for _ in range(chooser.randint(1, 5)):
        data = chooser.choice(ACCIDENTS)(data, chooser)
    return data


def _insert(data, chooser):
    place = chooser.randint(0, len(data))
    return data[:place] + chooser.choice(SNIPPETS) + data[place:]


def _replace(data, chooser):
    place, length = chooser.randint(0, len(data)), chooser.choice((1, 1, 2, 8, 40))
    return data[:place] + chooser.choice(SNIPPETS) + data[place + length :]


def _flip(data, chooser):
    if not data:
        return data
    changed = bytearray(data)
    for _ in range(chooser.choice((1, 1, 3, 20))):
        changed[chooser.randrange(len(changed))] ^= 1 << chooser.randrange(8)
    return bytes(changed)


def _delete(data, chooser):
    start = chooser.randint(0, len(data))
    return data[:start] + data[start + chooser.choice((1, 3, 30, 300)) :]


def _cut_off(data, chooser):
    return data[: chooser.randint(0, len(data))]


def _repeat(data, chooser):
    start = chooser.randint(0, len(data))
    piece = data[start : start + chooser.choice((1, 10, 100))]
    return data[:start] + piece * chooser.choice((2, 3, 50)) + data[start:]


def _shuffle_lines(data, chooser):
    lines = data.split(b"\n")
    chooser.shuffle(lines)
    return b"\n".join(lines)


def _drop_line(data, chooser):
    lines = data.split(b"\n")
    del lines[chooser.randrange(len(lines))]
    return b"\n".join(lines)


def _encode_otherwise(data, chooser):
    return data.decode("utf-8", errors="replace").encode(
        chooser.choice(("utf-16", "utf-16-le", "utf-32", "cp1252", "cp932")), errors="replace"
    )


def _mix_line_ends(data, chooser):
    return b"".join(line + chooser.choice((b"\n", b"\r\n", b"\r", b"\n\n")) for line in data.split(b"\n"))


def _join(data, chooser):
    """Two exports in one file, as `cat` makes them."""
    return data + chooser.choice((b"", b"\n", b"\xef\xbb\xbf")) + data


def _stretch(data, chooser):
    """Many more fields in one line."""
    place = chooser.randint(0, len(data))
    return (
        data[:place]
        + chooser.choice((b",", b";", b"\t", b" ", b'","')) * chooser.choice((2, 300, 20_000))
        + data[place:]
    )


def _mojibake(data, _chooser):
    """Decoded as if it were of another encoding, and written again."""
    return data.decode("cp1252", errors="replace").encode()


def inside(change):
    """A function that changes what an archive holds, and packs it again, so that the damage is not found at once."""

    def changed(data, chooser):
        if data[:2] == b"\x1f\x8b":
            return gzip.compress(change(gzip.decompress(data), chooser), mtime=0)
        parts = {}
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        name = chooser.choice(sorted(parts))
        return packed(parts | {name: change(parts[name], chooser)})

    return changed


ACCIDENTS = (
    _mix_line_ends,
    _join,
    _stretch,
    _mojibake,
    _insert,
    _insert,
    _replace,
    _replace,
    _flip,
    _delete,
    _cut_off,
    _repeat,
    _shuffle_lines,
    _drop_line,
    _encode_otherwise,
)
