"""The roofline of a run: the machine's rates, measured once, and the work of every row that can be counted."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from packlight.files import DAMAGED_JSON, atomic_write
from packlight.measure.results import MachineRates, Measurement, Measurements
from packlight.measure.roofline import measure_machine, roofline, work_of
from packlight.progress import info
from packlight.runtime.engines import engine_info
from packlight.runtime.tokenization import LongTexts, TextEncoder
from packlight.runtime.windows import parts_of


class WorkSource(NamedTuple):
    """The files that a variant's work is counted from."""

    folder: Path
    engine: str
    model_file: str
    max_length: int
    long_texts: LongTexts = "head"


def add_roofline(
    measurements: Measurements,
    variants: Mapping[str, WorkSource],
    texts: Mapping[str, Sequence[str]],
    *,
    threads: int,
    kept: Path,
) -> Measurements:
    """Add the machine's rates and each row's roofline to the measurements.

    Args:
        measurements: derived from latencies of `texts`.
        variants: the files of every row, by its name.
        texts: the timed texts, by variant.
        threads: number of threads of every variant.
        kept: the file that keeps the rates between calls, so that the same journal gives the same figures.
    """
    rates = _rates(threads, kept)
    rows = tuple(_under(row, variants[row.variant], texts[row.variant], rates) for row in measurements.measurements)
    return msgspec.structs.replace(measurements, measurements=rows, machine=rates)


def _under(row: Measurement, counted: WorkSource, texts: Sequence[str], rates: MachineRates) -> Measurement:
    if engine_info(counted.engine).macs_from is None:
        return row
    encoder = TextEncoder(counted.folder / "tokenizer.json", counted.max_length, long_texts=counted.long_texts)
    lengths = [len(part) for ids in encoder.ids(texts) for part in parts_of(ids)]
    work = work_of(counted.folder, counted.engine, lengths, model_file=counted.model_file)
    if work is None:
        return row
    if len(lengths) > len(texts):
        # The windows of a text run in one batch, so weights are read once.
        each = len(lengths) / len(texts)
        work = replace(work, fp32_macs=work.fp32_macs * each, int8_macs=work.int8_macs * each)
    mean_tokens = sum(lengths) / len(texts)
    return msgspec.structs.replace(row, roofline=roofline(work, rates, row.latency_ms.mean, mean_tokens))


def _rates(threads: int, kept: Path) -> MachineRates:
    try:
        return msgspec.json.decode(kept.read_bytes(), type=MachineRates)
    except (OSError, *DAMAGED_JSON):
        info("measuring the machine's peak rates")
        rates = measure_machine(threads)
        atomic_write(kept, msgspec.json.encode(rates))
        return rates
