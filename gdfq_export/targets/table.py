"""What a target is: a frozen table of the integer kernels one runtime has, and the edges each of them wants quantized.

No logic lives here or in any table: `placement/` walks a graph once with it. A rule speaks of one ONNX operator:

* `activations`  the inputs that must carry Q/DQ for the kernel to be chosen (`None`: every input)
* `weight`       the input that holds the weights, quantized per channel along `weight_axis`
* `bias`         the input that holds the bias, stored as int32 with scale `s_activation * s_weight`
* `accumulates`  operators whose result the kernel reads before it is quantized, as one of its inputs: the runtime
                 computes both in one kernel
* `overwrites`   whether it does so across a Q/DQ pair as well, if the result may overwrite the other input
                 (see `planning/placement/fused_add.py`): the pair then clips and does not round
* `output`       whether the kernel writes codes of its own scale, of its input's scale, or may leave floats
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kernel(StrEnum):
    """An integer kernel, named by what it computes; the simulator has one function for each."""

    CONV = "conv"
    GEMM = "gemm"
    MATMUL = "matmul"
    ADD = "add"
    MUL = "mul"
    CONCAT = "concat"
    AVERAGE_POOL = "average_pool"
    GLOBAL_AVERAGE_POOL = "global_average_pool"
    HARD_SIGMOID = "hard_sigmoid"
    """Computed as an integer Add that saturates where the function does, or as a Clip of codes."""
    LOOKUP = "lookup"
    """A unary function of one code: 256 values, tabulated when the model is loaded."""
    WEIGHT_ONLY = "weight_only"
    """A product of float activations and 4-bit weights that have a scale a block of inputs."""
    SOFTMAX = "softmax"
    """Computed by the runtime's own kernel in the simulation too."""
    BETWEEN_PAIRS = "between pairs"
    """Any other function, from codes to codes on a runtime that reads the pairs around it; ONNX Runtime's CPU provider
    computes it in float between them."""
    MOVE = "move"
    """Codes are moved, dropped or compared, never computed with: MaxPool, Reshape, Slice, ..."""


class Output(StrEnum):
    """What a kernel writes."""

    OWN_SCALE = "own scale"
    INPUT_SCALE = "scale of the input"
    OWN_SCALE_OR_FLOAT = "own scale or float"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFormat:
    """Storage of one kind of tensor.

    `signed` chooses int8 over uint8; `symmetric` pins the zero point to 0; `most_bits` are used of the eight, however
    many a recipe asks for; `lowest` is the smallest code of signed numbers; `packed` are the bits of the types below a
    byte that the runtime makes int8 of when it loads a file: 4 for INT4, 2 for INT2; `smallest_range` is the least
    distance of the ends of an activation's range.
    """

    signed: bool
    symmetric: bool
    most_bits: int = 8
    lowest: int = -128
    packed: tuple[int, ...] = ()
    smallest_range: float = 0.0


WIDE_BITS = 16
"""Of the activations that `Target.wide` is the format of."""


class Clip(StrEnum):
    """Where values are clipped to a code range that is smaller than its type."""

    CODES = "codes"
    """The codes, behind QuantizeLinear."""
    VALUES = "values"
    """The float values, in front of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one ONNX operator becomes integer on a target."""

    kernel: Kernel
    activations: tuple[int, ...] | None = (0,)
    weight: int | None = None
    weight_axis: int | None = None
    bias: int | None = None
    output: Output = Output.OWN_SCALE
    accumulates: frozenset[str] = frozenset()
    overwrites: bool = False
    constants: bool = True
    """Whether one of the inputs may be a constant."""
    integer_form: bool = False
    """Written on the codes themselves, between Q and DQ, because the runtime does not fuse DQ -> operator -> Q."""
    bias_in_front_of: frozenset[str] = frozenset()
    """Operators in front of which it needs a bias, directly or before element-wise ones; it stays float without."""
    clips_codes: bool = False
    """As the gate of a HardSwish: a Clip of the uint8 codes that it reads, if its breakpoints are codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One runtime's table.

    `products` are the rules of operators whose weight is computed in the graph, where the runtime multiplies two
    activations in integers. `absorbed` names the operators that vanish into the QuantizeLinear after them when its code
    range lies inside their bounds. `inside_layers` names those that the runtime computes inside the layer in front, in
    float before anything is rounded: alone behind it, or as the gate that the layer's own result is multiplied with.
    `hard_sigmoid_as_clip` says that a HardSigmoid in float is written `Clip(x + 3, 0, 6) / 6`, and that those with
    other numbers are not computed inside. `padded_codes` says that codes are padded in front of an AveragePool that
    counts its padding, `signal_pools_as_images` that a GlobalAveragePool of `[N, C, L]` is written as one of
    `[N, C, L, 1]` (`qdq/writer/average_pools.py`), `zero_points_by_shape` that weights of different ranks or axes do
    not share their zero points. `kernels` names the set of `simulator/kernel_sets` whose arithmetic
    the integer simulator computes with; `exact` says that this runtime's kernels, or those of its stand-in where there
    is one, do the same, to the bit. `batch` is the batch that files are fixed to where the runtime takes no open sizes.
    `equal_kernels` names other sets: scales are chosen so that these compute the same codes. `stand_in` is the runtime
    that measures a file where `backend` has no device; `engine` says that the runtime runs engines, which are built
    from the file; `fuses_pairs` says that it computes whatever stands between Q/DQ pairs in integers, so that nodes
    that are to stay float are separated from them (`planning/placement/separated.py`); `held_to` names the runtimes
    whose rules apply to a file where that is not `backend`; `warning` is shown to the user;
    `wide` is the format of 16-bit activations, None where the runtime takes none, and `wide_note` what they cost;
    `smallest_multiplier` is the least that activation scale times weight scale may be of the scale of the result;
    `fixed_grids` are the scale and zero point of 16-bit results by operator, where the runtime computes with no others.

    Of weights of four bits or fewer: `unpacked_note` says what becomes of them where `weight.packed` has no type for
    them; `native_note` what it costs where DequantizeLinear reads INT4 and `block_note` where they have a scale a block
    of inputs (`block_rules.py`), each empty where no file of that form runs.
    """

    name: str
    description: str
    backend: str
    kernels: str
    opset: int
    activation: NumberFormat
    weight: NumberFormat
    rules: Mapping[str, Rule]
    absorbed: frozenset[str]
    exact: bool
    equal_kernels: tuple[str, ...] = ()
    products: Mapping[str, Rule] = field(default_factory=dict)
    inside_layers: frozenset[str] = frozenset()
    hard_sigmoid_as_clip: bool = False
    padded_codes: bool = False
    signal_pools_as_images: bool = False
    zero_points_by_shape: bool = False
    clip: Clip = Clip.CODES
    stand_in: str | None = None
    batch: int | None = None
    engine: bool = False
    fuses_pairs: bool = False
    held_to: tuple[str, ...] = ()
    warning: str = ""
    wide: NumberFormat | None = None
    wide_note: str = ""
    fixed_grids: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    smallest_multiplier: float = 0.0
    unpacked_note: str = ""
    native_note: str = ""
    block_note: str = ""
