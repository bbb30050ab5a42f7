"""Every node has a name of its own: ONNX leaves that open, and ONNX Runtime refuses two of one name."""

from __future__ import annotations

from collections import Counter

import onnx


def with_own_names(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return `proto` with nodes that share a name called `<name>_<first output>`; itself where none do."""
    count = Counter(node.name for node in proto.graph.node if node.name)
    if all(times == 1 for times in count.values()):
        return proto
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    taken = set(count)
    for node in result.graph.node:
        if count[node.name] > 1:
            node.name = f"{node.name}_{node.output[0]}"
            while node.name in taken:
                node.name += "_"
            taken.add(node.name)
    return result
