"""One door for every kind of source."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import onnx
from torch import nn

from calib.input_spec import InputSpec
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel, build
from gdfq_export.frontend.passes.acceptance import assume_input_shape, fix_input_shape
from gdfq_export.frontend.passes.accepted_forms.accept import accept, converted_to_float32
from gdfq_export.frontend.passes.accepted_forms.open_sizes import OpenSizes
from gdfq_export.frontend.passes.batch.symbolic_batch import fixed_batch, graph_inputs
from gdfq_export.frontend.sources.model_name import FILES, require_model
from gdfq_export.frontend.sources.module_export import digest, export_module, other_floats
from gdfq_export.frontend.sources.onnx_file import read_onnx
from gdfq_export.frontend.sources.preprocessing import InputShape, Stated, as_pixels, input_spec, joined_spec
from gdfq_export.frontend.sources.python_callable import call, find_function
from gdfq_export.frontend.sources.sidecar import read_sidecar
from gdfq_export.support.files import sha256_file
from gdfq_export.support.fixed_batch.graph_batch import graph_batch
from gdfq_export.support.text import counted
from gdfq_export.tasks.outputs import DecodeFunction
from gdfq_export.tasks.registry import StatedTask

MOST_VALUES = 1 << 28
"""Of one input: 1 GiB."""


def load_model(
    model: str | Path | nn.Module | None,
    *,
    scale: float | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    input_shape: InputShape | None = None,
    keep_batch: bool = False,
    task: str | None = None,
    decode: str | DecodeFunction | None = None,
) -> FloatModel:
    """Return the network `model` names, ready to quantize; the arguments are those of `gdfq_export.load`.

    Raises:
        InputError: `model` cannot be used; the message says why and what to do.
    """
    flags = Stated.of(scale=scale, mean=mean, std=std, input_shape=input_shape, origin="the command line")
    stated = StatedTask(name=task, decode=find_function(decode) if isinstance(decode, str) else decode)
    if model is None:
        return _load_demo(flags, stated)
    if isinstance(model, nn.Module):
        return _load_module(model, type(model).__name__, flags, stated=stated)
    require_model(model)
    path = Path(model)
    if path.suffix.lower() in FILES:
        return dataclasses.replace(_load_file(path, flags, stated), keep_batch=keep_batch)
    return _load_by_name(str(model), flags, stated)


def _load_demo(flags: Stated, stated: StatedTask) -> FloatModel:
    from gdfq_export.frontend.demo import load_demo

    module, spec, classes = load_demo()
    known = Stated(input_shape=spec.shape, scale=spec.scale, mean=spec.mean, std=spec.std, origin="the demo")
    return _load_module(module, "demo", flags, known=known, stated=dataclasses.replace(stated, classes=classes))


def _load_by_name(text: str, flags: Stated, stated: StatedTask) -> FloatModel:
    from gdfq_export.frontend.sources.zoo import ZOOS

    zoo, _, name = text.partition(":")
    if zoo in ZOOS:
        module, known = ZOOS[zoo](name)
        return _load_module(module, text, flags, known=known, stated=stated)
    return _load_module(call(text), text, flags, stated=stated)


def _load_module(
    module: nn.Module, source: str, flags: Stated, *, stated: StatedTask, known: Stated | None = None
) -> FloatModel:
    known = known or Stated(origin="the network")
    shape = flags.input_shape or known.input_shape
    if shape is None and not flags.shapes:
        raise InputError(
            f"{source} does not say how large its images are; pass --input-shape C,H,W, of several inputs NAME=C,H,W "
            "for each"
        )
    accepted = accept(export_module(module, shape or (), source, inputs=flags.shapes), source)
    proto, notices = accepted.proto, converted_to_float32(source, other_floats(module)) or accepted.notices
    spec, warnings = _spec(proto, flags, known, source)
    name = source.rpartition(":")[2]
    model = build(
        proto,
        name=name,
        source=source,
        sha256=digest(proto),
        input_spec=spec,
        stated=stated,
        exported=True,
        warnings=(*notices, *warnings),
    )
    if (batch := graph_batch(model.graph.graph)) is not None:
        raise InputError(
            f"{source} computes otherwise with another batch than that of {counted(batch, 'image')} which it was "
            "exported with here; export it yourself with the batch that it is used at, and give the .onnx file"
        )
    return model


def _load_file(path: Path, flags: Stated, task: StatedTask) -> FloatModel:
    sidecar, suffix = read_sidecar(path), path.suffix.lower()
    if sidecar is not None:
        task = dataclasses.replace(task, name=task.name or sidecar.task, classes=sidecar.classes)
    source = str(path)
    accepted = accept(read_onnx(path) if suffix == ".onnx" else _read_pt2(path), source)
    proto, open_sizes = accepted.proto, OpenSizes.of(accepted.proto)
    fixed = _sizes_to_be_fixed(proto, source)
    stated = Stated(origin="no sidecar") if sidecar is None else sidecar.stated
    for given in (flags, stated):
        if given.input_shape is not None or given.shapes:
            fix_input_shape(proto, given.shapes or given.input_shape or (), source, given.origin)
            break
    assumed = assume_input_shape(proto, source)
    if accepted.form.pixels:
        stated, flags = as_pixels(source, flags, stated), dataclasses.replace(flags, scale=None, mean=None, std=None)
    spec, warnings = _spec(proto, flags, stated, source)
    model = build(
        proto,
        name=path.stem,
        source=source,
        sha256=sha256_file(path),
        input_spec=spec,
        stated=task,
        exported=suffix == ".pt2",
        warnings=(*accepted.notices, *assumed, *fixed, *warnings),
    )
    return dataclasses.replace(model, source_batch=fixed_batch(proto), image_form=accepted.form, open_sizes=open_sizes)


def _sizes_to_be_fixed(proto: onnx.ModelProto, source: str) -> tuple[str, ...]:
    """What is lost of sizes that several inputs leave open: the quantized file has them fixed."""
    inputs = graph_inputs(proto)
    names = [value.name for value in inputs if any(dim.dim_value <= 0 for dim in value.type.tensor_type.shape.dim[1:])]
    if len(inputs) == 1 or not names:
        return ()
    return (
        f"{source} leaves the size of {', '.join(names)} open, the quantized file takes one size only, since it has "
        "several inputs; for another size, quantize again with another --input-shape",
    )


def _read_pt2(path: Path) -> onnx.ModelProto:
    from gdfq_export.frontend.sources.exported_program import read_exported_program

    return read_exported_program(path)


def _spec(proto: onnx.ModelProto, flags: Stated, stated: Stated, source: str) -> tuple[InputSpec, tuple[str, ...]]:
    """Shape and preprocessing of the graph's inputs, sizes being those without the batch, and warnings.

    Where they are not static they are left at 1, which `build` then reports.
    """
    inputs = graph_inputs(proto)
    sizes = {value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]) for value in inputs}
    shapes = {name: shape if min(shape, default=0) > 0 else (1, 1, 1) for name, shape in sizes.items()}
    for name, shape in shapes.items():
        if math.prod(shape) > MOST_VALUES:
            raise InputError(
                f"the input {name} of {source} is {list(shape)}, more than {MOST_VALUES:,} numbers; export the network "
                "for a smaller size"
            )
    if len(inputs) < 2:
        return input_spec(flags, stated, next(iter(shapes.values()), (1, 1, 1)), source)
    return joined_spec(flags, stated, shapes, source)
