"""Small networks whose fixed batch cannot be freed: they compute across it, or in a form that is not followed."""

from __future__ import annotations

import numpy as np
import onnx

from tests import tiny_graph
from tests.frontend.sources import networks

_BODY: list[tiny_graph.Node] = [
    ("Conv", ["x", "w"], ["c"], {"pads": [1, 1, 1, 1]}),
    ("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["b"]),
    ("Relu", ["b"], ["r"]),
]
_VECTORS: list[tiny_graph.Node] = [*_BODY, ("GlobalAveragePool", ["r"], ["g"]), ("Flatten", ["g"], ["f"])]
_FULLY_CONNECTED: tiny_graph.Node = ("Gemm", ["f", "w2", "b2"], ["l"], {"transB": 1})

_KINDS: dict[str, tuple[int, list[tiny_graph.Node]]] = {
    "softmax across the batch": (2, [*_VECTORS, _FULLY_CONNECTED, ("Softmax", ["l"], ["y"], {"axis": 0})]),
    "mean of the batch": (
        3,
        [*_VECTORS, _FULLY_CONNECTED, ("ReduceMean", ["l"], ["m"], {"axes": [0]}), ("Sub", ["l", "m"], ["y"])],
    ),
    "one number of all": (
        2,
        [*_VECTORS, _FULLY_CONNECTED, ("ReduceMax", ["l"], ["m"], {"keepdims": 0}), ("Sub", ["l", "m"], ["y"])],
    ),
    "a bias for each image": (2, [*_VECTORS, _FULLY_CONNECTED, ("Add", ["l", "rows"], ["y"])]),
    "images shuffled into channels": (
        2,
        [
            *_BODY,
            ("Reshape", ["r", "columns"], ["s"]),
            ("Transpose", ["s"], ["t"], {"perm": [0, 2, 1, 3, 4]}),
            ("Reshape", ["t", "mixed"], ["u"]),
            ("Conv", ["u", "w3"], ["v"]),
            ("Relu", ["v"], ["v1"]),
            ("GlobalAveragePool", ["v1"], ["g"]),
            ("Flatten", ["g"], ["f"]),
            ("Gemm", ["f", "w2", "b2"], ["y"], {"transB": 1}),
        ],
    ),
    "one image without its axis": (
        1,
        [*_VECTORS, ("Squeeze", ["f"], ["s"]), ("MatMul", ["s", "w4"], ["m"]), ("Add", ["m", "b2"], ["y"])],
    ),
}
KINDS = tuple(_KINDS)


def network(kind: str) -> onnx.ModelProto:
    """The network of a kind, on images 3 x 8 x 8, with five outputs for each."""
    random = np.random.default_rng(0)
    batch, nodes = _KINDS[kind]
    base = networks.weights(networks.classifier())
    more = {
        "rows": random.normal(size=(batch, 5)),
        "columns": np.array([1, batch, 4, 8, 8]),
        "mixed": np.array([batch, 4, 8, 8]),
        "w3": random.normal(size=(4, 4, 1, 1)),
        "w4": random.normal(size=(4, 5)),
    }
    stored = base | {
        name: array.astype(np.int64 if array.dtype.kind == "i" else np.float32) for name, array in more.items()
    }
    used = {name for node in nodes for name in node[1]}
    return networks.classifier(
        nodes=nodes,
        inputs={"x": (batch, 3, 8, 8)},
        initializers={name: array for name, array in stored.items() if name in used},
    )
