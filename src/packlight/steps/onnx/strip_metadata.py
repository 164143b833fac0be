"""Strip an ONNX file of everything that a runtime doesn't need.

The exporter records in every node the source lines that it came from, with local paths, and a type for every inner
tensor. The types are wrong once nodes are fused or quantized, and runtimes infer them anyway. In a small model, this
metadata is half of the file.
"""

from collections.abc import Iterator

import onnx


def strip_metadata(model: onnx.ModelProto) -> None:
    """Remove comments, source lines, types of inner tensors and unused constants, in place."""
    del model.metadata_props[:]
    model.ClearField("doc_string")
    for graph in _graphs(model.graph):
        del graph.value_info[:]
        for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
            part.ClearField("doc_string")
            del part.metadata_props[:]
    _drop_unread(model.graph)


def _drop_unread(graph: onnx.GraphProto) -> None:
    read = {name for inner in _graphs(graph) for node in inner.node for name in node.input}
    read |= {output.name for output in graph.output}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _graphs(inner)
