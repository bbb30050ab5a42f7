"""One state in one file: tensors as safetensors, everything else as JSON in the header; nothing is ever unpickled.

A file is written beside its place, synchronized and renamed, so that it is whole or absent. Tensors keep their layout
in memory, since kernels may add in another order for another layout.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from calib.checkpoints.checkpoint import State
from gdfq_export.errors import InputError

PART = ".part"
_STATE, _FACTS = "state", "facts"


class CheckpointError(InputError):
    """A checkpoint that a run cannot go on from."""


def write_state(path: Path, state: State, facts: Mapping[str, Any]) -> None:
    """Write a state; `facts` are JSON data that can be read without it.

    Raises:
        OSError: the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    form = json.dumps(_encode(state, tensors, set()))
    part = path.with_name(path.name + PART)
    try:
        save_file(tensors, part, metadata={_STATE: form, _FACTS: json.dumps(facts)})
    except SafetensorError as error:  # the disk is full, for instance
        raise OSError(None, f"cannot write {part}: {error}", str(part)) from error
    with part.open("rb+") as written:
        os.fsync(written.fileno())
    os.replace(part, path)


def read_state(path: Path, remedy: str) -> State:
    """The state that `write_state` wrote, with tensors in memory of their own.

    Raises:
        CheckpointError: the file is damaged; `remedy` ends the message.
    """
    try:
        with safe_open(path, framework="pt") as file:
            form = json.loads(file.metadata()[_STATE])
            state = _decode(form, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError, RecursionError) as error:
        raise CheckpointError(f"the checkpoint {path} is damaged ({type(error).__name__}); {remedy}") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"the checkpoint {path} holds no state; {remedy}")
    return state


def read_facts(path: Path, remedy: str) -> Mapping[str, Any]:
    """The facts that `write_state` was given.

    Raises:
        CheckpointError: the file is damaged; `remedy` ends the message.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()[_FACTS])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"the checkpoint {path} is damaged ({type(error).__name__}); {remedy}") from error
    if not isinstance(facts, dict):
        raise CheckpointError(f"the checkpoint {path} holds no facts; {remedy}")
    return facts


def _encode(value: Any, tensors: dict[str, Tensor], storages: set[int]) -> Any:
    """JSON data in which each list begins with what it stands for; tensors go into `tensors` by number."""
    if isinstance(value, Tensor):
        strides = value.stride()
        order = sorted(range(value.dim()), key=lambda axis: -strides[axis])
        stored = value.detach().cpu().permute(order).contiguous()
        if stored.untyped_storage().data_ptr() in storages:
            stored = stored.clone()
        storages.add(stored.untyped_storage().data_ptr())
        name = str(len(tensors))
        tensors[name] = stored
        return ["tensor", name, order]
    if isinstance(value, Mapping):
        return ["dict", *([_encode(key, tensors, storages), _encode(item, tensors, storages)]
                          for key, item in value.items())]  # fmt: skip
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return [kind, *(_encode(item, tensors, storages) for item in value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a state holds a {type(value).__name__}")


def _decode(form: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(form, list):
        return form
    kind, *items = form
    if kind == "tensor":
        name, order = items
        back = sorted(range(len(order)), key=lambda axis: order[axis])
        return tensors[name].clone().permute(back)
    if kind == "dict":
        return {_decode(key, tensors): _decode(item, tensors) for key, item in items}
    if kind not in ("list", "tuple"):
        raise ValueError(kind)
    decoded = [_decode(item, tensors) for item in items]
    return tuple(decoded) if kind == "tuple" else decoded
