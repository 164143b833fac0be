"""The step `quantize-onnx`: its options, and how it is applied."""
