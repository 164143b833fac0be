"""The step `openvino`: its options, and how it is applied."""
