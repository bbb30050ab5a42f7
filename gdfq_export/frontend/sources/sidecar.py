"""NAME.json beside NAME.onnx or NAME.pt2: what the file does not say about its input.

{"input": [3, 32, 32], "classes": 10, "preprocess": {"scale": 255, "mean": [0.5, 0.5, 0.4], "std": [0.2, 0.2, 0.2]}}

A network of several inputs has them by name, each with an `input` and a `preprocess` of its own:

{"inputs": {"left": {"input": [3, 32, 32], "preprocess": {"scale": 255}}, "age": {"input": [1]}}}

`task` names the task where it is not to be found from the graph: "task": "segment".
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pydantic

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources.preprocessing import Stated

_EXAMPLE = '{"input": [3, 32, 32], "classes": 10, "preprocess": {"scale": 255, "mean": [0, 0, 0], "std": [1, 1, 1]}}'


class _Preprocess(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    scale: float = pydantic.Field(default=255.0, gt=0)
    mean: float | list[float] = 0.0
    std: float | list[float] = 1.0


class _Input(pydantic.BaseModel):
    """One input; keys that are not ours are the user's notes."""

    input: Annotated[list[pydantic.PositiveInt], pydantic.Field(min_length=1)] | None = None
    preprocess: _Preprocess | None = None

    def stated(self, origin: str) -> Stated:
        """What is said of it."""
        preprocess = self.preprocess
        return Stated.of(
            scale=preprocess.scale if preprocess else None,
            mean=preprocess.mean if preprocess else None,
            std=preprocess.std if preprocess else None,
            input_shape=self.input,
            origin=origin,
        )


class _Content(_Input):
    """All keys are optional."""

    classes: int | None = pydantic.Field(default=None, ge=2)
    task: str | None = None
    inputs: dict[str, _Input] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What a sidecar states."""

    stated: Stated
    classes: int | None
    task: str | None


def read_sidecar(model: Path) -> Sidecar | None:
    """Read the sidecar of `model`; None if there is none.

    Raises:
        InputError: it is not JSON or a key has a value that cannot be.
    """
    path = model.with_suffix(".json")
    if not path.is_file():
        return None
    try:
        content = _Content.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; check its permissions") from error
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        what = f"the key {key} of {path}" if key else str(path)
        raise InputError(f"{what} cannot be used ({first['msg']}); write it like {_EXAMPLE}") from error
    inputs = {name: each.stated(str(path)) for name, each in content.inputs.items()}
    stated = dataclasses.replace(content.stated(str(path)), inputs=inputs)
    return Sidecar(stated=stated, classes=content.classes, task=content.task)
