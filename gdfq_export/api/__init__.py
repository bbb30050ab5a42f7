"""The Python API: each function is one job, and each command of the command line is one call of it.

    import gdfq_export as gq

    result = gq.quantize("net.onnx", out="net.int8.onnx")
    print(result.report.passed)

A network is given as a path (`.onnx`, `.pt2`), a published network's name (`pytorchcv:resnet18`), a
`package.module:callable`, a torch module loaded by `gq.load(module, input_shape=(3, 224, 224))`, or None for the
embedded demo network.
"""

from __future__ import annotations

from gdfq_export.api.batches import batch
from gdfq_export.api.comparison import compare
from gdfq_export.api.emulation import install_emulator
from gdfq_export.api.information import doctor, inspect, recipes
from gdfq_export.api.networks import load
from gdfq_export.api.quantization import plan, quantize
from gdfq_export.api.recipe_search import search
from gdfq_export.api.synthesis import synthesize
from gdfq_export.api.verification import verify
