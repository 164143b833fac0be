"""The formats of input files: how each is divided into fragments, and read batch by batch in bounded memory."""

from packlight.scoring.formats.arrow_reader import ArrowReader
from packlight.scoring.formats.csv_reader import CsvReader
from packlight.scoring.formats.jsonl_reader import JsonlReader
from packlight.scoring.formats.lines_reader import LinesReader
from packlight.scoring.formats.parquet_reader import ParquetReader
from packlight.scoring.formats.reader import Reader
from packlight.scoring.settings import Kind

__all__ = ["READERS", "Reader"]

READERS: dict[Kind, Reader] = {
    "parquet": ParquetReader(),
    "arrow": ArrowReader(),
    "csv": CsvReader(),
    "tsv": CsvReader(delimiter="\t"),
    "jsonl": JsonlReader(),
    "lines": LinesReader(),
}
"""by kind"""
