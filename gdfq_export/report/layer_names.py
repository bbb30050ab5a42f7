"""Names of layers that the user knows: the module path of the weight, else the node's name.

torch.export names nodes `node_conv2d_7`; the weight of that node is `blocks.2.conv2.weight`, so the layer is called
`Conv blocks.2.conv2`. Other exporters put the path into the node's name, which is then kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gdfq_export.support.not_measured import NotMeasured

if TYPE_CHECKING:
    from gdfq_export.report.report import Report

_WEIGHT = re.compile(r"(?P<module>.+)\.weight(_q|_quantized)?")
_PATH = re.compile(r"[./]")


def layer_name(report: Report, op_type: str, node: str) -> str:
    """`Conv blocks.2.conv2` for the node of the file that computes it; `the input` where no node does."""
    if not op_type:
        return "the input"
    weights = () if isinstance(report.weights, NotMeasured) else report.weights
    stored = next((codes.tensor for codes in weights if codes.node == node), "")
    found = None if _PATH.search(node) else _WEIGHT.fullmatch(stored)
    return f"{op_type} {found['module'] if found else node}"
