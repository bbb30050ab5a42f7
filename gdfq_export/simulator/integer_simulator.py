"""The simulator in integers: every tensor of the exported file, to the bit, without running the file.

It walks the folded graph with the plan (`integer_run.py`) and keeps what is made once for all batches
(`integer_state.py`); a value that is a point of the plan is kept as codes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

from gdfq_export.planning.plan import QuantPlan
from gdfq_export.simulator.encoding import Encoding
from gdfq_export.simulator.integer_run import IntegerRun, quantized_name
from gdfq_export.simulator.integer_state import IntegerState
from gdfq_export.support.fixed_batch.graph_batch import graph_batch
from gdfq_export.support.fixed_batch.image_pieces import run_in_pieces

__all__ = ["IntegerSimulator", "quantized_name"]


class IntegerSimulator:
    """Computes what the exported file computes.

    Args:
        folded: canonical graph without BatchNormalization.
        plan: the plan the file was written with.
        encodings: the numbers the file was written with.
        parameters: float values of the initializers that float nodes read, by name; those of the graph where absent.
        names: names of the activations' codes in the file, by key; `<key>_q` where there are none.
        kernels: the entry of `KERNEL_SETS` to compute with, for a CPU that is not at hand; None: the target's.
    """

    def __init__(
        self,
        folded: ir.Model,
        plan: QuantPlan,
        encodings: Mapping[str, Encoding],
        parameters: Mapping[str, Tensor] | None = None,
        *,
        names: Mapping[str, str] | None = None,
        kernels: str | None = None,
    ) -> None:
        self.plan = plan
        self.encodings = encodings
        self.state = IntegerState(folded, plan, encodings, parameters or {}, kernels=kernels)
        self.names = names or {}

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Every quantized activation under its name in the file, and the file's outputs.

        Args:
            images: float32 [N, C, H, W] in the network's input range.

        Returns:
            uint8 or int8 codes and float32 outputs, of a graph with a fixed batch as a `Session` gives them.
        """
        batch = graph_batch(self.state.model.graph)
        return dict(run_in_pieces(self._run, images, batch or len(images), whole=batch is not None))

    def _run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            return IntegerRun(self.state, self.names).run(torch.from_numpy(images))
