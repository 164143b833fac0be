"""Making another form of the same classifier: ONNX, and int8 in PyTorch."""

import msgspec

from packlight.artifact import ONNX_FP32, SAFETENSORS_INT8
from packlight.classifier.int8 import quantize, save_int8
from packlight.classifier.stock import open_classifier
from packlight.pipeline.making.bench import Bench, Made, make
from packlight.pipeline.parity import check_export
from packlight.pipeline.parts import copy_description
from packlight.recipe import Export, QuantizeTorch
from packlight.steps.export import export
from packlight.tokenization import TextEncoder


@make.register
def _(_: QuantizeTorch, bench: Bench) -> Made:
    parent = bench.origin
    copy_description(parent.path, bench.draft)
    save_int8(quantize(open_classifier(parent.path)), bench.draft / SAFETENSORS_INT8)
    length = parent.manifest.max_length
    return Made(
        "torch",
        "int8",
        SAFETENSORS_INT8,
        length,
        batch_invariant=False,
        facts={},
        abstain_below=parent.manifest.abstain_below,
    )


@make.register
def _(step: Export, bench: Bench) -> Made:
    parent = bench.origin
    copy_description(parent.path, bench.draft)
    target = bench.draft / ONNX_FP32
    model = export(parent.path, target, step)
    parity = check_export(
        model,
        target,
        TextEncoder(parent.tokenizer_path, parent.manifest.max_length),
        bench.data.val.texts,
        tolerance=step.tolerance,
        name=step.name,
    )
    facts = {"parity": msgspec.to_builtins(parity)}
    length = parent.manifest.max_length
    return Made(
        "onnxruntime",
        "fp32",
        ONNX_FP32,
        length,
        batch_invariant=True,
        facts=facts,
        abstain_below=parent.manifest.abstain_below,
    )
