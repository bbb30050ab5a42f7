""".pt2 files that would create a file if anything in them were run."""

from __future__ import annotations

import functools
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.frontend.sources.networks import SmallNet

Entries = dict[str, bytes]
WEIGHTS = "archive/data/weights/model_weights_config.json"
CONSTANTS = "archive/data/constants/model_constants_config.json"
PROGRAM = "archive/models/model.json"


class _Payload:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.trace), "w")


def _pickled(trace: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save(_Payload(trace), buffer)
    return buffer.getvalue()


def entries() -> Entries:
    """A sound archive, entry by entry; its batch is dynamic, so that it holds shape expressions."""
    return dict(_sound())


@functools.cache
def _sound() -> Entries:
    buffer = io.BytesIO()
    batch = {0: torch.export.Dim("batch", min=1)}
    program = torch.export.export(SmallNet().eval(), (torch.zeros(2, 3, 8, 8),), dynamic_shapes=(batch,))
    torch.export.save(program, buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, content: Entries) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def _changed(content: Entries, name: str, change: Callable[[Any], None]) -> None:
    value = json.loads(content[name])
    change(value)
    content[name] = json.dumps(value).encode()


def pickled_weight(content: Entries, trace: Path) -> None:
    def change(config: Any) -> None:
        entry = next(iter(config["config"].values()))
        entry["use_pickle"], content[f"archive/data/weights/{entry['path_name']}"] = True, _pickled(trace)

    _changed(content, WEIGHTS, change)


def legacy_weights(content: Entries, trace: Path) -> None:
    content["archive/data/weights/model.pt"] = _pickled(trace)


def _constant(content: Entries, path_name: str, data: bytes) -> None:
    entry = {"path_name": path_name, "is_param": False, "use_pickle": True, "tensor_meta": None}
    content[f"archive/data/constants/{path_name}"] = data
    _changed(content, CONSTANTS, lambda config: config["config"].update(k=entry))


def pickled_constant(content: Entries, trace: Path) -> None:
    _constant(content, "tensor_0", _pickled(trace))


def opaque_constant(content: Entries, trace: Path) -> None:
    _constant(content, "opaque_obj_0", pickle.dumps(_Payload(trace)))


def sample_inputs(content: Entries, trace: Path) -> None:
    content["archive/data/sample_inputs/model.pt"] = _pickled(trace)


def expression(content: Entries, trace: Path) -> None:
    code = f"open({str(trace)!r}, 'w') and 2"
    text = content[PROGRAM].decode()
    size = json.loads(text)["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0]
    content[PROGRAM] = text.replace(json.dumps(size["as_expr"]["expr_str"]), json.dumps(code)).encode()


def function(content: Entries, trace: Path) -> None:
    argument = {"name": "", "arg": {"as_string": f"touch {trace}"}, "kind": 1}

    def change(program: Any) -> None:
        node = {
            "target": "torch.os.system",
            "inputs": [argument],
            "outputs": [{"as_int": 0}],
            "metadata": {},
            "is_hop_single_tensor_return": None,
            "name": "run",
        }
        program["graph_module"]["graph"]["nodes"].insert(0, node)

    _changed(content, PROGRAM, change)


def imported_module(content: Entries, trace: Path) -> None:
    (trace.parent / "imported_by_pt2.py").write_text(f"open({str(trace)!r}, 'w')")
    enum = {"__enum__": True, "fqn": "imported_by_pt2:Kind", "name": "a"}
    spec = [1, {"type": "builtins.dict", "context": json.dumps([enum]), "children_spec": []}]

    def change(program: Any) -> None:
        program["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = json.dumps(spec)

    _changed(content, PROGRAM, change)


def guard(content: Entries, trace: Path) -> None:
    _changed(content, PROGRAM, lambda program: program.update(guards_code=[f"open({str(trace)!r}, 'w')"]))


def input_name(content: Entries, trace: Path) -> None:
    """torch makes Python source of names: this one is a default value of an argument."""
    text = content[PROGRAM].decode()
    for before in ('"name": "x"', '"x": {"dtype"'):
        assert before in text
        text = text.replace(before, before.replace('"x"', json.dumps(f"x=[0, open({str(trace)!r}, 'w')][0]")))
    content[PROGRAM] = text.encode()


def argument_name(content: Entries, trace: Path) -> None:
    def change(program: Any) -> None:
        signature = program["graph_module"]["module_call_graph"][0]["signature"]
        signature["forward_arg_names"] = [f"x=open({str(trace)!r}, 'w')"]

    _changed(content, PROGRAM, change)


def module_name(content: Entries, trace: Path) -> None:
    """Names that are no identifiers stand in the source between quotation marks."""
    name = f"""conv1.weight", open({str(trace)!r}, 'w') or \""""
    for part in (PROGRAM, WEIGHTS):
        assert b'"conv1.weight"' in content[part]
        content[part] = content[part].replace(b'"conv1.weight"', json.dumps(name).encode())


def unbacked_symbols(content: Entries, trace: Path) -> None:
    """torch counts up to the number of the symbol."""
    _changed(content, PROGRAM, lambda program: program["range_constraints"].update(u999999999999={"min_val": 0}))


def huge_weight(content: Entries, trace: Path) -> None:
    def change(config: Any) -> None:
        meta = next(iter(config["config"].values()))["tensor_meta"]
        meta["sizes"], meta["strides"] = [{"as_int": 10**6}] * 2, [{"as_int": 0}] * 2

    _changed(content, WEIGHTS, change)


def older_format(content: Entries, trace: Path) -> None:
    program = content[PROGRAM]
    content.clear()
    content["version"] = b"8.20"
    content["serialized_exported_program.json"] = program
    for part in ("state_dict", "constants", "example_inputs"):
        content[f"serialized_{part}.pt"] = _pickled(trace)
