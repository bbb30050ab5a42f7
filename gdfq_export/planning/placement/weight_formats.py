"""Storage forms of low-bit weights: whether the target supports what the recipe asks for, and what it costs.

Both are checked when the plan is made, before any image is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import MappingProxyType

from gdfq_export.errors import InputError
from gdfq_export.planning.placement.float_reasons import WIDE
from gdfq_export.planning.plan import QuantPlan, QuantPoint, Role
from gdfq_export.recipe import Bits
from gdfq_export.support.text import counted
from gdfq_export.targets import BLOCK_BITS, BLOCK_RULES, Target, find_target

_SMALLEST_BLOCK = 16


def with_forms(target: Target, bits: Bits) -> Target:
    """The target with the rules that the recipe's weight formats need.

    Raises:
        InputError: the target runs no file with weights of such a form.
    """
    if bits.storage == "native" and not target.native_note:
        raise InputError(
            f"bits.storage in the recipe is native, and {target.name} runs no file whose integer layers have INT4 "
            "weights; leave it out"
        )
    if bits.blocks is None:
        return target
    if not target.block_note:
        raise InputError(
            f"bits.blocks in the recipe is {bits.blocks}, and {target.name} takes no weights in blocks; leave it out"
        )
    return dataclasses.replace(target, rules=MappingProxyType({**target.rules, **BLOCK_RULES}))


def block_of(bits: Bits, inputs: int, layer: str) -> int:
    """Inputs a block of one layer: the recipe's number, halved until whole blocks fill the layer's inputs.

    Raises:
        InputError: not even blocks of 16 do, for which not every runtime has kernels.
    """
    block = bits.blocks or _SMALLEST_BLOCK
    while inputs % block and block > _SMALLEST_BLOCK:
        block //= 2
    if inputs % block:
        raise InputError(
            f"bits.blocks in the recipe is {bits.blocks}, and the {inputs} inputs of {layer} do not divide into blocks "
            f"of {_SMALLEST_BLOCK} or more; leave it out"
        )
    return block


def forewarnings(plan: QuantPlan) -> tuple[str, ...]:
    """What a user should know of a plan before any work is done, a sentence each."""
    target = find_target(plan.target)
    weights = [point for point in plan.points if point.role is Role.WEIGHT]
    wide = [node for node in plan.nodes if node.reason == WIDE]
    said = [target.warning] if target.warning else []
    if wide and target.wide_note:
        said.append(f"{counted(len(wide), 'node')} with 16-bit activations: {target.wide_note}")
    return (*said, *_of_weights(weights, target))


def _of_weights(weights: list[QuantPoint], target: Target) -> Iterator[str]:
    blocks = [point for point in weights if point.block is not None]
    native = [point for point in weights if point.native and point.block is None]
    wide = [point for point in weights if point.bits <= BLOCK_BITS < point.stored_bits]
    if wide:
        yield f"{_counted(wide, weights)} of {BLOCK_BITS} bits or fewer are stored as int8: {target.unpacked_note}"
    if native:
        yield f"{_counted(native, weights)} are native INT4: {target.native_note}"
    if blocks:
        sizes = " and ".join(map(str, sorted({point.block for point in blocks if point.block})))
        yield f"{_counted(blocks, weights)} are INT4 in blocks of {sizes}, with float activations: {target.block_note}"
    if any(point.stored_bits == 2 for point in weights):
        yield (
            "weights of 2 bits are stored as INT2, which ONNX has from opset 25 on: ONNX Runtime 1.32 runs the file, "
            "older runtimes may refuse it"
        )


def _counted(some: list[QuantPoint], weights: list[QuantPoint]) -> str:
    return f"the weights of {len(some)} of {counted(len(weights), 'layer')}"
