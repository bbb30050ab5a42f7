from __future__ import annotations

from pathlib import Path

import onnxruntime

from gdfq_export.frontend.passes.accepted_forms.node_names import with_own_names
from gdfq_export.frontend.sources import load_model
from tests.frontend.sources import networks


def test_nodes_of_one_name_get_names_of_their_own(tmp_path: Path) -> None:
    proto = networks.classifier()
    for node in proto.graph.node[:3]:
        node.name = "same"
    model = load_model(networks.saved(tmp_path, proto), scale=255)
    names = [node.name for node in model.original.graph.node]
    assert names[:3] == ["same_c", "same_b", "same_r"] and len(set(names)) == len(names)
    onnxruntime.InferenceSession(model.original.SerializeToString(), providers=["CPUExecutionProvider"])


def test_other_networks_are_left_as_they_are() -> None:
    proto = networks.classifier()
    assert with_own_names(proto) is proto
