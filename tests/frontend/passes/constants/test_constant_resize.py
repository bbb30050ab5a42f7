from __future__ import annotations

import numpy as np

from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.measured_shapes import run_model
from tests import tiny_graph


def test_sizes_that_an_exporter_computes_become_constants_of_the_axes_that_change() -> None:
    proto = tiny_graph.model(
        nodes=[
            ("Relu", ["x"], ["r"]),
            ("Shape", ["r"], ["shape"], {"start": 0, "end": 2}),
            ("Concat", ["shape", "wanted"], ["sizes"], {"axis": 0}),
            ("Resize", ["r", "", "", "sizes"], ["y"], {"mode": "linear"}),
        ],
        inputs={"x": ("batch", 3, 4, 5)},
        outputs=["y"],
        initializers={"wanted": np.array([7, 10])},
    )
    canonical = canonicalize(proto, "net.onnx")
    assert [node.op_type for node in canonical.graph] == ["Relu", "Resize"]
    resize = canonical.graph.node("Resize_y")
    assert resize.inputs[3] is not None and resize.inputs[3].const_value is not None
    assert resize.inputs[3].const_value.numpy().tolist() == [7, 10]
    assert list(resize.attributes.get_ints("axes") or ()) == [2, 3]
    x = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype(np.float32)
    expected = run_model(proto, {"x": x})["y"]
    np.testing.assert_array_equal(run_model(tiny_graph.ir.to_proto(canonical), {"x": x})["y"], expected)
