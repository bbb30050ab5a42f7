"""Runs ONNX models for another process; its Python, maybe an emulated one, has numpy and onnxruntime only.

Requests come from standard input and answers go to what was standard output, both pickled. A request is an action, its
arguments, and the numbers of models that are not needed any more; an answer is `(True, result)` or `(False, message)`.
The process ends with its input.
"""

from __future__ import annotations

import importlib
import os
import pickle
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_PACKAGES = ("numpy", "onnxruntime")
_SILENT = 4  # errors are raised, and what it would print holds names of nodes as they are

sessions: dict[int, Any] = {}


def versions() -> dict[str, str]:
    """What runs here, as what."""
    packages = {name: str(sys.modules[name].__version__) for name in _PACKAGES}
    return {"machine": platform.machine(), **packages}


def load(number: int, model: bytes, as_written: bool) -> list[list[tuple[str, str, list[Any]]]]:
    """Load a model, to be called `number`; name, type and shape of its inputs, then of its outputs."""
    session = sessions[number] = _session(model, as_written=as_written)
    both = session.get_inputs(), session.get_outputs()
    return [[(each.name, each.type, list(each.shape)) for each in values] for values in both]


def run(number: int, feeds: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """The named outputs of a loaded model; no names: all."""
    if number not in sessions:
        raise LookupError("the process that had loaded this model has ended")
    return list(sessions[number].run(list(names) or None, dict(feeds)))


def optimized(model: bytes) -> bytes:
    """The graph as it is executed here, as an ONNX file."""
    with tempfile.TemporaryDirectory(prefix="gdfq-export-") as folder:
        path = Path(folder) / "optimized.onnx"
        _session(model, save_to=str(path))
        return path.read_bytes()


def _session(model: bytes, *, as_written: bool = False, save_to: str = "") -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    if as_written:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    if save_to:
        options.optimized_model_filepath = save_to
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


_ACTIONS: Mapping[str, Callable[..., Any]] = {action.__name__: action for action in (versions, load, run, optimized)}


def main() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints, also while it is imported, must not stand between the answers
    for name in _PACKAGES:
        importlib.import_module(name)
    while True:
        try:
            action, arguments, released = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        for number in released:
            sessions.pop(number, None)
        answer: tuple[bool, Any]
        try:
            answer = True, _ACTIONS[action](*arguments)
        except Exception as error:  # the binding raises a dozen types of its own
            answer = False, str(error) or type(error).__name__
        pickle.dump(answer, answers, protocol=5)
        answers.flush()


if __name__ == "__main__":
    main()
