"""A network with no open size, and one that runs at the chosen size only, are left as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from gdfq_export.frontend.sources.load import load_model
from gdfq_export.qdq.writer import with_open_sizes
from tests.frontend.sources import networks


@pytest.mark.parametrize("fixed", [True, False])
def test_without_another_size_there_is_no_other_form(tmp_path: Path, fixed: bool) -> None:
    proto = networks.classifier(inputs={"x": ("n", 3, 8, 8) if fixed else ("n", 3, "height", "width")})
    if not fixed:  # features of 8 x 8 images alone
        del proto.graph.node[3]
        proto.graph.node[3].input[0] = "r"
        wide = np.random.default_rng(0).normal(size=(5, 256)).astype(np.float32)
        place = next(index for index, tensor in enumerate(proto.graph.initializer) if tensor.name == "w2")
        proto.graph.initializer[place].CopyFrom(ir.to_proto(ir.tensor(wide, name="w2")))
    model = load_model(networks.saved(tmp_path, proto), input_shape=(3, 8, 8), scale=255)
    assert (model.open_sizes is None) == fixed
    assert with_open_sizes(ir.to_proto(model.folded), model) is None


def test_a_network_without_constants_of_one_size_is_opened(tmp_path: Path) -> None:
    path = networks.saved(tmp_path, networks.classifier(inputs={"x": ("n", 3, "height", "width")}))
    model = load_model(path, input_shape=(3, 8, 8), scale=255)
    opened = with_open_sizes(ir.to_proto(model.folded), model)
    assert opened is not None
    assert [dim.dim_param for dim in opened.graph.input[0].type.tensor_type.shape.dim] == ["n", "", "height", "width"]
