"""Convert an ONNX graph of standard operators to OpenVINO, in float32 or, with NNCF, in int8.

int8 is NNCF's post-training quantization (`nncf.quantize`) with its scheme for transformers. Ranges are measured once
on training texts, so predictions don't depend on the batch.
"""

import logging
import os
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from packlight.errors import EngineError
from packlight.extras import load
from packlight.runtime.artifact import OPENVINO, OPENVINO_GRAPH
from packlight.runtime.engines.openvino import WEIGHTS
from packlight.runtime.tokenization import TextEncoder


def write_openvino(source: Path, folder: Path) -> None:
    """Write the float32 graph `source` as OpenVINO files to an artifact's folder.

    Raises:
        EngineError: if OpenVINO does not know an operator of it.
        MissingExtraError: if openvino is not installed.
    """
    openvino = load("openvino", "OpenVINO")
    _save(openvino, _read(openvino, source), folder)


def write_openvino_int8(source: Path, folder: Path, encoder: TextEncoder, texts: Sequence[str]) -> None:
    """Write the graph in int8, with ranges measured on the texts one at a time.

    Raises:
        EngineError: if OpenVINO does not know an operator of it, or NNCF cannot quantize it.
        MissingExtraError: if openvino or nncf is not installed.
    """
    openvino = load("openvino", "OpenVINO")
    nncf = _nncf()
    model = _read(openvino, source)
    rows = [encoder([text]).feed() for text in texts]
    inputs = nncf.Dataset(rows)
    try:
        # It writes its progress to standard output, which is for results.
        with redirect_stdout(StringIO()):
            int8 = nncf.quantize(model, inputs, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(rows))
    except Exception as error:  # the library raises its own exceptions
        raise EngineError(f"NNCF cannot quantize it: {error}") from error
    _save(openvino, int8, folder)


def _read(openvino: Any, source: Path) -> Any:
    try:
        return openvino.Core().read_model(source)
    except RuntimeError as error:  # the only exception that it raises
        raise EngineError(f"OpenVINO cannot read {source.name}: {error}") from error


def _nncf() -> Any:
    # NNCF sends usage reports unless it believes that it is under test.
    os.environ.setdefault("NNCF_CI", "1")
    nncf = load("nncf", "OpenVINO in int8")
    nncf.set_log_level(logging.ERROR)
    return nncf


def _save(openvino: Any, model: Any, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        graph = Path(scratch) / "model.xml"
        openvino.save_model(model, graph, compress_to_fp16=False)
        weights = np.fromfile(graph.with_suffix(".bin"), dtype=np.uint8)
        (folder / OPENVINO).parent.mkdir(parents=True, exist_ok=True)
        save_file({WEIGHTS: weights}, folder / OPENVINO)
        (folder / OPENVINO_GRAPH).write_bytes(graph.read_bytes())
