"""The process that builds an engine: TensorRT may crash, and must then not take a run's results with it.

    python builder.py REQUEST.json

The request names the package and the files; the engine, the timing cache and ANSWER.json (errors, warnings, the list of
layers) are written beside it. `build.py` is the only caller. Nothing else of the project is imported here: torch alone
would take longer to load than a small engine to build.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

_LAYERS = "Layers:"
_ONE_SIZE = "store the size in the file, or quantize the network with --target tensorrt and --input-shape"
_NO_DEVICE = ("catchCudaError", "cudaError 35")


def main() -> None:
    """Build what the request says."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    answer = _build(importlib.import_module(request["package"]), request)
    Path(request["answer"]).write_text(json.dumps(answer), encoding="utf-8")


def _build(api: Any, request: dict[str, Any]) -> dict[str, Any]:
    log = collected_log(api)
    builder = api.Builder(log)
    strongly_typed = getattr(api.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if strongly_typed is None else 1 << int(strongly_typed))
    parser = api.OnnxParser(network, log)
    data = Path(request["model"]).read_bytes()
    if refused := _refused(parser, network, data):
        return {"refused": refused}
    config = builder.create_builder_config()
    config.profiling_verbosity = api.ProfilingVerbosity.DETAILED
    config.builder_optimization_level = request["level"]
    cache = _timing_cache(config, request["known_tactics"])
    _set_batches(builder, network, config, request["batches"])
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        return {"failed": [message for severity, message in log.messages if severity == "error"]}
    Path(request["engine"]).write_bytes(bytes(plan))
    if cache is not None:
        Path(request["tactics"]).write_bytes(bytes(config.get_timing_cache().serialize()))
    return {
        "layers": next((text for _, text in log.messages if text.startswith(_LAYERS)), ""),
        "warnings": list(dict.fromkeys(text for severity, text in log.messages if severity == "warning")),
    }


def _refused(parser: Any, network: Any, data: bytes) -> list[str]:
    """Why no engine can be built of the file, empty where one can."""
    if not parser.parse(data) or network.num_outputs == 0:
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        return [_sentence(error, data) for error in errors] or ["it is not an ONNX file"]
    image = network.get_input(0)
    if -1 in tuple(image.shape)[1:]:
        return [f"the size of its input {image.name} is open, and an engine is built for one; {_ONE_SIZE}"]
    return []


def collected_log(api: Any) -> Any:
    """A logger whose `messages` are (severity, text): what went wrong, warnings, the list of layers."""

    class Collected(api.ILogger):  # type: ignore[misc]  # of the package that is there
        """Keeps what matters of what TensorRT says."""

        def __init__(self) -> None:
            super().__init__()
            self.messages: list[tuple[str, str]] = []

        def log(self, severity: Any, text: str) -> None:
            if severity in (api.ILogger.Severity.ERROR, api.ILogger.Severity.INTERNAL_ERROR):
                if not any(part in text for part in _NO_DEVICE):
                    self.messages.append(("error", text))
            elif severity == api.ILogger.Severity.WARNING:
                self.messages.append(("warning", text))
            elif text.startswith(_LAYERS):
                self.messages.append(("layers", text))

    return Collected()


def _sentence(error: Any, data: bytes) -> str:
    first = str(error.desc()).strip().splitlines()[0] if str(error.desc()).strip() else "unknown error"
    name = str(error.node_name())
    if not name and error.node() >= 0:
        import onnx

        name = onnx.load_from_string(data).graph.node[error.node()].output[0]
    where = f"{error.node_operator()} {name}".strip()
    return f"{where}: {first}" if where else first


def _timing_cache(config: Any, path: str | None) -> Any:
    if path is None:
        return None
    before = Path(path).read_bytes() if Path(path).exists() else b""
    cache = config.create_timing_cache(before)
    config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _set_batches(builder: Any, network: Any, config: Any, batches: list[int]) -> None:
    """One profile with the smallest, the usual and the largest batch, where the batch is open."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    opened = [(each.name, list(each.shape)) for each in inputs if each.shape[0] == -1]
    if not opened:
        return
    profile = builder.create_optimization_profile()
    for name, shape in opened:
        profile.set_shape(name, *((batch, *shape[1:]) for batch in batches))
    config.add_optimization_profile(profile)


if __name__ == "__main__":
    main()
