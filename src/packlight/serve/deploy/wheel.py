"""Pack the installed packlight into a wheel, so that an image runs the same code without a package index."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator

from packlight import __version__
from packlight.errors import PacklightError
from packlight.origin import NAME, PACKAGE, installation

EPOCH = (1980, 1, 1, 0, 0, 0)
"""the earliest time that a zip file can store, so that the same files give the same bytes"""
WHEEL_FILE = "Wheel-Version: 1.0\nGenerator: packlight deploy\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def packed_wheel() -> bytes:
    """Build a wheel of the running packlight, whether it was installed from a wheel or from a clone.

    Format: <https://packaging.python.org/en/latest/specifications/binary-distribution-format/>.

    Raises:
        PacklightError: if pip did not install packlight, or installed another version.
    """
    files = dict(_package()) | dict(_metadata())
    record = f"{NAME}-{__version__}.dist-info/RECORD"
    rows = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[record] = "\n".join([*rows, f"{record},,", ""]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


def _package() -> Iterator[tuple[str, bytes]]:
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(PACKAGE.parent).as_posix(), path.read_bytes()


def _metadata() -> Iterator[tuple[str, bytes]]:
    installed = installation()
    version = None if installed is None else installed.version
    if installed is None or version != __version__:
        raise PacklightError(
            f"packlight {__version__} cannot be packed into the image: pip has installed {version or 'none'}. "
            "Run `make install` in your clone, or install the wheel, then deploy again."
        )
    folder = f"{NAME}-{__version__}.dist-info"
    for name in ("METADATA", "entry_points.txt", "licenses/LICENSE"):
        text = installed.read_text(name)
        if text is not None:
            yield f"{folder}/{name}", text.encode()
    yield f"{folder}/WHEEL", WHEEL_FILE.encode()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
