"""What the steps that write ONNX graphs share."""
