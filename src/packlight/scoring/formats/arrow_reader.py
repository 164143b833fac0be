"""Arrow files and streams, including Feather. Fragments of a file are ranges of rows; a stream is one fragment."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from packlight.errors import DataError
from packlight.scoring.formats.reader import Part, Reader, between, row_parts
from packlight.scoring.settings import Fragment
from packlight.scoring.storage import Found, open_random, open_stream

MAGIC = b"ARROW1"
EVERY_ROW = 1 << 62


class ArrowReader(Reader):
    """Reads Arrow's IPC format."""

    def schema(self, file: str, packing: str | None) -> pa.Schema:
        """The file's columns with their types."""
        with _reading(file):
            return _reader(file, packing).schema

    def cut(self, found: Found, packing: str | None, rows: int) -> list[Part]:
        """Ranges of rows of a file; all of a stream."""
        with _reading(found.location):
            reader = _reader(found.location, packing, fields=[0])
            if not isinstance(reader, ipc.RecordBatchFileReader):
                return [Part(0, None, None, rows)]
            return row_parts([reader.get_batch(at).num_rows for at in range(reader.num_record_batches)], rows)

    def batches(
        self, fragment: Fragment, columns: Sequence[str] | None, text_column: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a range, or of a stream."""
        del text_column  # columns have types
        with _reading(fragment.file):
            reader = _reader(fragment.file, fragment.packing)
            names = reader.schema.names if columns is None else list(columns)
            if isinstance(reader, ipc.RecordBatchFileReader):
                read = (reader.get_batch(at) for at in range(reader.num_record_batches))
            else:
                read = iter(reader)
            stop = EVERY_ROW if fragment.stop is None else fragment.stop
            yield from between((each.select(names) for each in read), fragment.start, stop - fragment.start)


def _reader(file: str, packing: str | None, fields: list[int] | None = None) -> Any:
    options = ipc.IpcReadOptions(included_fields=fields or [], use_threads=False)
    if packing is None:
        stream = open_random(file)
        if stream.read(len(MAGIC)) == MAGIC:
            return ipc.open_file(stream, options=options)
        stream.seek(0)
        return ipc.open_stream(stream, options=options)
    return ipc.open_stream(open_stream(file, packing), options=options)


@contextmanager
def _reading(file: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file} is not a readable Arrow file ({error})") from error
