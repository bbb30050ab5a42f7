"""torch modules and exported programs to ONNX, with BatchNormalization kept.

torch's own ONNX optimizer would fuse BatchNormalization into convolutions, so only its folding of constants runs here;
the canonical form does the rest.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Mapping

import onnx
import onnx_ir as ir
import torch
from onnx_ir.passes import common
from onnxscript import optimizer
from torch import nn

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.opset import OPSET


def export_module(
    module: nn.Module, shape: tuple[int, ...], where: str, *, inputs: Mapping[str, tuple[int, ...]] | None = None
) -> onnx.ModelProto:
    """Export a copy of `module` in eval mode and float32 for images [N, *shape]; input `image`, output `logits`.

    The batch is dynamic where torch can prove that it may be, else fixed to 2 and freed by the canonical form. With
    `inputs`, shapes by the names of arguments, these are the inputs.

    Raises:
        InputError: torch cannot export the module.
    """
    network = copy.deepcopy(module).cpu().float().eval()
    named = _in_order(network, inputs, where) if inputs else {}
    examples = {name: torch.zeros(2, *sizes) for name, sizes in named.items()}
    arguments = () if named else (torch.zeros(2, *shape),)
    failure: Exception | None = None
    for batch in ({0: torch.export.Dim("batch", min=1)}, None):
        try:
            with quiet(), torch.no_grad():
                dynamic = dict.fromkeys(named, batch) if named else (batch,)
                program = torch.export.export(
                    network, arguments, examples, dynamic_shapes=None if batch is None else dynamic
                )
            break
        except Exception as error:  # whatever the user's forward raises, or torch.export's own
            failure = failure or error
    else:
        assert failure is not None
        raise InputError(
            f"torch.export cannot trace {where} on {_taken(shape, named)} ({_first_line(failure)}); "
            "check --input-shape, or export the network yourself and give the .onnx file"
        ) from failure
    outputs = None if named else ["logits"]
    return program_to_onnx(program, where, input_names=[*named] or ["image"], output_names=outputs)


def _taken(shape: tuple[int, ...], named: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(sizes)}" for name, sizes in named.items()) or f"an image {list(shape)}"


def _in_order(network: nn.Module, inputs: Mapping[str, tuple[int, ...]], where: str) -> Mapping[str, tuple[int, ...]]:
    """The shapes in the order of the arguments of `forward`.

    Raises:
        InputError: it has no argument of such a name.
    """
    arguments = list(inspect.signature(network.forward).parameters)
    if missing := [name for name in inputs if name not in arguments]:
        raise InputError(
            f"forward of {where} has no argument {missing[0]}: its arguments are {', '.join(arguments)}; name those in "
            "--input-shape NAME=C,H,W"
        )
    return {name: tuple(inputs[name]) for name in arguments if name in inputs}


def other_floats(module: nn.Module) -> tuple[str, ...]:
    """Floating-point types of parameters and buffers other than float32, by name."""
    tensors = [tensor for tensor in module.state_dict().values() if isinstance(tensor, torch.Tensor)]
    types = {tensor.dtype for tensor in tensors if tensor.is_floating_point()} - {torch.float32}
    return tuple(sorted(str(dtype).removeprefix("torch.") for dtype in types))


def program_to_onnx(
    program: torch.export.ExportedProgram,
    where: str,
    *,
    input_names: list[str] | None = None,
    output_names: list[str] | None = None,
) -> onnx.ModelProto:
    """Convert an exported program; the exporter's notes about source files are dropped.

    Raises:
        InputError: torch has no ONNX form for one of the operators.
    """
    try:
        with quiet():
            exported = torch.onnx.export(
                program,
                dynamo=True,
                optimize=False,
                opset_version=OPSET,
                input_names=input_names,
                output_names=output_names,
                verbose=False,
            )
        assert exported is not None
        model = exported.model
        optimizer.fold_constants_ir(model)
        common.RemoveUnusedNodesPass()(model)
        common.ClearMetadataAndDocStringPass()(model)
        return ir.to_proto(model)
    except Exception as error:  # the exporter's exception types are private
        raise InputError(
            f"torch.onnx cannot convert {where} ({_first_line(error)}); "
            "export it to .onnx by other means and give that file"
        ) from error


def digest(proto: onnx.ModelProto) -> str:
    """Hex SHA-256 of operators and weights, for a network that has no file."""
    sha = hashlib.sha256()
    for node in proto.graph.node:
        sha.update(f"{node.op_type}({','.join(node.input)})({','.join(node.output)})".encode())
    for tensor in sorted(proto.graph.initializer, key=lambda tensor: tensor.name):
        sha.update(tensor.name.encode())
        sha.update(onnx.numpy_helper.to_array(tensor).tobytes())
    return sha.hexdigest()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep torch's exporter from printing and logging."""
    loggers = {name: logging.getLogger(name) for name in ("torch.onnx", "torch.export", "torch._export")}
    levels = {name: logger.level for name, logger in loggers.items()}
    for logger in loggers.values():
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            loggers[name].setLevel(level)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
