"""How long each node of a file takes in ONNX Runtime on the CPU, from its profiler."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gdfq_export.runtimes.base import Images
from gdfq_export.runtimes.onnxruntime import OrtSession, inference_session
from gdfq_export.support.files import scratch_folder

_KERNEL = "_kernel_time"
_UNCOUNTED = 2  # first runs, in which memory is allocated


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTime:
    """One node of the optimised graph, as the runtime names it, and the median of its milliseconds in a run.

    `elements` are the values of its first output.
    """

    name: str
    op_type: str
    milliseconds: float
    elements: int


def profile(files: Sequence[bytes], images: Images, *, rounds: int) -> list[list[NodeTime]]:
    """The nodes of each file; the files run interleaved, on one thread, so that all see the same machine.

    Args:
        files: ONNX files that take the same images.
        images: a batch `[N, C, H, W]`.
        rounds: counted runs of each file.

    Raises:
        InputError: ONNX Runtime does not accept a file.
    """
    with scratch_folder() as folder:
        sessions = [_Profiled(file, folder / f"profile_{place}") for place, file in enumerate(files)]
        for _ in range(rounds + _UNCOUNTED):
            for session in sessions:
                session.run(images)
        return [session.times() for session in sessions]


class _Profiled(OrtSession):
    def __init__(self, model: bytes, prefix: Path) -> None:
        self._prefix = prefix
        super().__init__(model, 1)

    def _open(self, model: Path | bytes, threads: int, *, as_written: bool) -> Any:
        del as_written
        return inference_session(model, threads, profile_to=self._prefix)

    def times(self) -> list[NodeTime]:
        """What the runs took; the session ends with it."""
        events: list[Mapping[str, Any]] = json.loads(Path(self._session.end_profiling()).read_text(encoding="utf-8"))
        found: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        for event in events:
            name = str(event.get("name", ""))
            if event.get("cat") == "Node" and name.endswith(_KERNEL):
                arguments = event["args"]
                key = (name.removesuffix(_KERNEL), str(arguments.get("op_name", "")), _elements(arguments))
                found[key].append(float(event["dur"]) / 1000.0)
        return [
            NodeTime(name=name, op_type=op_type, milliseconds=float(np.median(times[_UNCOUNTED:])), elements=elements)
            for (name, op_type, elements), times in found.items()
        ]


def _elements(arguments: Mapping[str, Any]) -> int:
    """Values of the first output, from `[{"float": [1, 16, 8, 8]}]`."""
    for shape in (sizes for output in arguments.get("output_type_shape", []) for sizes in output.values()):
        return math.prod(int(size) for size in shape)
    return 0
