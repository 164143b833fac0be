"""Write output files under a hidden name, and rename them when they are complete."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import msgspec
import pyarrow as pa
from pyarrow import csv, parquet

from packlight.errors import PacklightError
from packlight.files import DRAFT
from packlight.scoring.cells import is_bytes, is_string, objects, strings
from packlight.scoring.settings import OutputFormat

GROUP_ROWS = 65_536
"""number of rows in a row group"""
GROUP_BYTES = 64 << 20
"""number of bytes after which a row group ends earlier"""


class Writer(Protocol):
    """Writes batches to an open file."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""

    def close(self) -> None:
        """Write the rest. The file stays open. This must always be called, even after an error."""


class ParquetWriter:
    """Parquet, in row groups of `GROUP_ROWS` rows."""

    def __init__(self, stream: BinaryIO, schema: pa.Schema) -> None:
        """Begin a file."""
        self._writer = parquet.ParquetWriter(stream, schema, compression="zstd")
        self._schema, self._waiting, self._rows, self._bytes = schema, list[pa.RecordBatch](), 0, 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema), row_group_size=self._rows)
        self._waiting, self._rows, self._bytes = [], 0, 0


class CsvWriter:
    """CSV with a header; lists and structs become JSON, and bytes that aren't UTF-8 the replacement character."""

    def __init__(self, stream: BinaryIO, schema: pa.Schema) -> None:
        """Begin a file with its header."""
        self._schema = pa.schema([field.with_type(_csv_type(field.type)) for field in schema])
        self._writer = csv.CSVWriter(stream, self._schema, write_options=csv.WriteOptions(quoting_style="needed"))

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        columns = [_csv_column(column) for column in batch.columns]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class JsonlWriter:
    """JSON Lines; bytes become base64, those of a string that aren't UTF-8 the replacement character, and NaN null."""

    def __init__(self, stream: BinaryIO, schema: pa.Schema) -> None:
        """Begin a file."""
        del schema
        self._stream = stream

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        encode, names = msgspec.json.Encoder().encode, batch.schema.names
        rows = zip(*map(objects, batch.columns), strict=True)
        self._stream.writelines(encode(dict(zip(names, row, strict=True))) + b"\n" for row in rows)

    def close(self) -> None:
        """Do nothing, because everything is written already."""


WRITERS: Mapping[OutputFormat, Callable[[BinaryIO, pa.Schema], Writer]] = {
    "parquet": ParquetWriter,
    "csv": CsvWriter,
    "jsonl": JsonlWriter,
}


class Written:
    """A written file. Its size and hash are set when it has its final name."""

    size: int
    sha256: str


@contextmanager
def output_file(path: Path, kind: OutputFormat, schema: pa.Schema) -> Iterator[tuple[Writer, Written]]:
    """Write a file that appears when the block succeeds, complete.

    Raises:
        PacklightError: if it can't be written.
    """
    written = Written()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=DRAFT, dir=path.parent)
        draft = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                stream: Any = _Hashing(file)
                with closing(WRITERS[kind](stream, schema)) as writer:
                    yield writer, written
                file.flush()
                os.fsync(file.fileno())
            draft.chmod(0o644)
            draft.replace(path)
            written.size, written.sha256 = stream.size, stream.digest.hexdigest()
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PacklightError(f"{path}: can't be written ({error.strerror or error})") from error


class _Hashing:
    """A file that is hashed while it is written."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.size, self.digest = file, 0, hashlib.sha256()

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._file.write(view)
        self.digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    def writelines(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            self.write(line)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Do nothing, because the file is closed where it was opened."""

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


def _csv_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column as it is written to CSV: its own if pyarrow writes it, or else strings."""
    if pa.types.is_dictionary(kind):
        return _csv_type(kind.value_type)
    as_text = (pa.types.is_nested, pa.types.is_fixed_size_binary, pa.types.is_interval, is_string, is_bytes)
    other = isinstance(kind, pa.BaseExtensionType) or any(check(kind) for check in as_text)
    return pa.string() if other else kind


def _csv_column(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return strings(column) if _csv_type(column.type) == pa.string() else column
